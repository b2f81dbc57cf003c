//! Lists of keys: orders, filters, pages.

use super::ids;
use crate::company::{Company, code, on_both_stores};
use chrono::TimeDelta;
use claviger_sdk::{ApiKey, KeyId, KeySort, KeyUse, LastUse, Lifetime, MAX_PAGE, NewKey, NewKeyGroup, Page};

const SORTS: [KeySort; 6] = [
    KeySort::Name,
    KeySort::Description,
    KeySort::Role,
    KeySort::LastUse,
    KeySort::CreatedAt,
    KeySort::ExpiresAt,
];

/// By what a list in this order is sorted, so that texts compare.
fn sorted_by(sort: KeySort, key: &ApiKey) -> String {
    match sort {
        KeySort::Name => key.name.to_lowercase(),
        KeySort::Description => key.description.to_lowercase(),
        KeySort::Role => key.role_name.clone(),
        KeySort::LastUse => match key.last_use {
            LastUse::At(time) => time.to_rfc3339(),
            _ => String::new(),
        },
        KeySort::CreatedAt => key.created_at.to_rfc3339(),
        _ => key.expires_at.map_or("never".to_owned(), |time| time.to_rfc3339()),
    }
}

/// Seven keys of which each order makes another list, with equal values in each.
async fn seven_keys(company: &Company) -> Vec<ApiKey> {
    let account = company.service_account("sync", &["flights:view"]).await;
    let roles = [
        company.role_of("dispatcher", &["flights:view"]).await.id,
        company.role_of("Zulu", &["flights:view"]).await.id,
    ];
    let verifier = company.operator.usage().register_verifier("edge").await.unwrap().id;
    let mut keys = Vec::new();
    for (name, description, role, lifetime, used) in [
        ("delta", "Écoute\nbien", Some(0), Lifetime::days(9), Some(3)),
        ("Alpha", "b", None, Lifetime::UNLIMITED, None),
        ("charlie", "", Some(1), Lifetime::days(1), Some(1)),
        ("alpha", "B", Some(0), Lifetime::days(9), Some(3)),
        ("Émile", "a", Some(1), Lifetime::UNLIMITED, None),
        ("bravo", "", None, Lifetime::days(5), Some(2)),
        ("bravo", "z", None, Lifetime::days(5), None),
    ] {
        let new = match role {
            None => NewKey::for_service_account(account.id, name, lifetime),
            Some(role) => NewKey::for_tenant(roles[role], name, lifetime),
        };
        let key = company.as_ada.keys().generate(new.description(description)).await.unwrap().key;
        if let Some(minutes) = used {
            let last_used_at = company.now() - TimeDelta::minutes(minutes);
            let used = KeyUse { key: key.id, last_used_at, count: 1 };
            company.reported(verifier, last_used_at, &[used]).await.unwrap();
        }
        keys.push(key.id);
        if keys.len() % 2 == 0 {
            company.advance(TimeDelta::minutes(1));
        }
    }
    let mut records = Vec::new();
    for id in keys {
        records.push(company.as_ada.keys().get(id).await.unwrap());
    }
    records
}

/// The names of a page, in alphabetical order.
fn names(page: &Page<ApiKey>) -> Vec<&str> {
    let mut names: Vec<&str> = page.records.iter().map(|key| key.name.as_str()).collect();
    names.sort_unstable();
    names
}

on_both_stores! {
    async fn keys_are_listed_in_every_order_both_ways_and_in_pages_of_any_size(company: Company) {
        let mut keys = seven_keys(&company).await;
        for sort in SORTS {
            keys.sort_by_key(|key| (sorted_by(sort, key), key.id.as_u64()));
            let distinct = keys.windows(2).filter(|two| sorted_by(sort, &two[0]) != sorted_by(sort, &two[1]));
            assert!((1..6).contains(&distinct.count()), "{sort:?}: some are equal, some are not");
            for descending in [false, true] {
                let mut expected = ids(&keys);
                if descending {
                    expected.reverse();
                }
                for limit in [1, 2, 3, 6, 7, 8] {
                    let list = || {
                        let list = company.as_ada.keys().list().sorted_by(sort).limit(limit);
                        if descending { list.descending() } else { list }
                    };
                    let (mut seen, mut page) = (Vec::new(), list().await.unwrap());
                    loop {
                        assert!(page.records.len() <= usize::from(limit));
                        seen.extend(ids(&page.records));
                        let Some(next) = page.next else { break };
                        // As a caller far away would hand it back.
                        let next = next.to_string().parse().unwrap();
                        page = list().after(next).await.unwrap();
                        assert!(!page.records.is_empty(), "a next page has records");
                    }
                    assert_eq!(seen, expected, "{sort:?} {descending} {limit}");
                }
            }
        }
    }

    async fn pages_lose_and_repeat_nothing_when_keys_are_added_and_deleted_in_between(company: Company) {
        let keys = seven_keys(&company).await;
        for sort in SORTS {
            for descending in [false, true] {
                let list = || {
                    let list = company.as_ada.keys().list().sorted_by(sort).limit(2);
                    if descending { list.descending() } else { list }
                };
                let (mut seen, mut page, mut added): (Vec<KeyId>, _, Vec<KeyId>) =
                    (Vec::new(), list().await.unwrap(), Vec::new());
                loop {
                    seen.extend(ids(&page.records));
                    let Some(next) = page.next else { break };
                    if added.len() < 4 {
                        for name in ["aaa", "zzz"] {
                            let new = NewKey::for_tenant(company.readonly.id, name, Lifetime::days(5));
                            added.push(company.as_ada.keys().generate(new).await.unwrap().key.id);
                        }
                    } else if added.len() == 4 {
                        // The last one that was seen goes: its place stays.
                        let gone = added.remove(0);
                        company.as_ada.keys().delete(gone, "aaa").await.unwrap();
                    }
                    page = list().after(next).await.unwrap();
                }
                let mut distinct = seen.clone();
                distinct.sort_unstable();
                distinct.dedup();
                assert_eq!(distinct.len(), seen.len(), "{sort:?} {descending}: nothing twice");
                assert!(keys.iter().all(|key| seen.contains(&key.id)), "{sort:?} {descending}: nothing lost");
                for id in added {
                    let name = company.as_ada.keys().get(id).await.unwrap().name;
                    company.as_ada.keys().delete(id, &name).await.unwrap();
                }
            }
        }
    }

    async fn a_page_goes_on_behind_a_key_that_was_deleted(company: Company) {
        seven_keys(&company).await;
        let list = || company.as_ada.keys().list().limit(3);
        let first = list().await.unwrap();
        let whole = company.as_ada.keys().list().await.unwrap();
        let last = &first.records[2];
        company.as_ada.keys().delete(last.id, &last.name).await.unwrap();
        let second = list().after(first.next.unwrap()).await.unwrap();
        assert_eq!(ids(&second.records), ids(&whole.records[3..6]));
    }

    async fn a_cursor_of_another_order_is_refused(company: Company) {
        seven_keys(&company).await;
        let list = || company.as_ada.keys().list().limit(2);
        for sort in SORTS {
            let cursor = list().sorted_by(sort).await.unwrap().next.unwrap();
            for other in SORTS {
                let outcome = list().sorted_by(other).after(cursor.clone()).await;
                assert_eq!(outcome.is_ok(), sort == other, "{sort:?} {other:?}");
            }
        }
        let numberless = "created_at.0000000000g.6162".parse().unwrap();
        assert_eq!(code(list().sorted_by(KeySort::CreatedAt).after(numberless).await), "invalid");
    }

    async fn a_page_has_1_to_1000_keys(company: Company) {
        for limit in [0, MAX_PAGE + 1, u16::MAX] {
            assert_eq!(code(company.as_ada.keys().list().limit(limit).await), "invalid");
        }
        assert!(company.as_ada.keys().list().limit(MAX_PAGE).await.unwrap().next.is_none());
    }

    async fn without_an_order_keys_are_listed_by_name(company: Company) {
        seven_keys(&company).await;
        let by_name = company.as_ada.keys().list().sorted_by(KeySort::Name).await.unwrap();
        assert_eq!(company.as_ada.keys().list().await.unwrap(), by_name);
    }

    async fn keys_are_filtered_by_owner(company: Company) {
        let keys = seven_keys(&company).await;
        let account = keys[1].owner.person().unwrap();
        let page = company.as_ada.keys().list().owned_by(account).await.unwrap();
        assert_eq!(names(&page), ["Alpha", "bravo", "bravo"]);
        assert!(company.as_ada.keys().list().owned_by(company.ada.id).await.unwrap().records.is_empty());
    }

    async fn keys_are_filtered_by_role(company: Company) {
        let keys = seven_keys(&company).await;
        let role = keys[0].owner.role().unwrap();
        assert_eq!(names(&company.as_ada.keys().list().in_role(role).await.unwrap()), ["alpha", "delta"]);
    }

    async fn keys_are_filtered_by_group(company: Company) {
        let keys = seven_keys(&company).await;
        let group = company.as_ada.key_groups().create(NewKeyGroup::new("partners")).await.unwrap().id;
        let edit = claviger_sdk::KeyEdit::new().group(group);
        company.as_ada.keys().edit(keys[2].id, keys[2].revision, edit).await.unwrap();
        assert_eq!(names(&company.as_ada.keys().list().in_group(group).await.unwrap()), ["charlie"]);
        assert_eq!(company.as_ada.keys().list().in_group(keys[0].group).await.unwrap().records.len(), 6);
    }

    async fn keys_are_filtered_by_whether_they_are_activated(company: Company) {
        let keys = seven_keys(&company).await;
        company.as_ada.keys().deactivate(keys[0].id).await.unwrap();
        assert_eq!(names(&company.as_ada.keys().list().activated(false).await.unwrap()), ["delta"]);
        assert_eq!(company.as_ada.keys().list().activated(true).await.unwrap().records.len(), 6);
    }

    async fn unused_keys_are_listed_the_longest_unused_first(company: Company) {
        let keys = seven_keys(&company).await;
        let LastUse::At(since) = keys[5].last_use else { panic!("it was used") };
        let page = company.as_ada.keys().list().unused_since(since).await.unwrap();
        assert_eq!(names(&page), ["Alpha", "alpha", "bravo", "charlie", "delta", "Émile"]
            .into_iter().filter(|name| {
                keys.iter().any(|key| key.name == *name && match key.last_use {
                    LastUse::At(time) => time < since,
                    _ => true,
                })
            }).collect::<Vec<_>>());
        let used: Vec<String> = page.records.iter().map(|key| sorted_by(KeySort::LastUse, key)).collect();
        assert!(used.is_sorted());
    }

    async fn expiring_keys_are_listed_the_first_to_expire_first(company: Company) {
        let keys = seven_keys(&company).await;
        let end = keys[0].expires_at.unwrap();
        let page = company.as_ada.keys().list().expiring_before(end).await.unwrap();
        assert_eq!(names(&page), ["bravo", "bravo", "charlie"]);
        assert_eq!(page.records[0].name, "charlie");
        company.advance(TimeDelta::days(2));
        assert_eq!(company.as_ada.keys().list().expiring_before(end).await.unwrap().records.len(), 3);
    }

    async fn keys_are_filtered_by_how_their_names_start(company: Company) {
        seven_keys(&company).await;
        for (text, expected) in [
            ("ALPHA", &["Alpha", "alpha"][..]),
            ("b", &["bravo", "bravo"]),
            ("é", &["Émile"]),
            ("%", &[]),
            ("_", &[]),
            ("lpha", &[]),
        ] {
            let page = company.as_ada.keys().list().starting_with(text).await.unwrap();
            assert_eq!(names(&page), expected, "{text}");
        }
    }

    async fn filters_go_together_and_through_pages(company: Company) {
        let keys = seven_keys(&company).await;
        let account = keys[1].owner.person().unwrap();
        let list = || company.as_ada.keys().list().owned_by(account).starting_with("br").activated(true).limit(1);
        let first = list().await.unwrap();
        let second = list().after(first.next.clone().unwrap()).await.unwrap();
        assert_eq!((names(&first), names(&second)), (vec!["bravo"], vec!["bravo"]));
        assert_ne!(first.records[0].id, second.records[0].id);
        assert_eq!(second.next, None);
    }

    async fn a_list_says_when_each_key_was_last_used(company: Company) {
        let keys = seven_keys(&company).await;
        let listed = company.as_ada.keys().list().sorted_by(KeySort::CreatedAt).await.unwrap().records;
        for key in &keys {
            assert!(listed.contains(key));
        }
        assert!(matches!(keys[0].last_use, LastUse::At(_)));
    }
}
