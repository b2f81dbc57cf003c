//! Lists of keys: whatever the filters and the order, walking the pages gives each key that is asked for once, in order.

use crate::company::on_both_stores;
use chrono::{DateTime, TimeDelta};
use claviger_sdk::{ApiKey, KeySort, LastUse, Lifetime, ListKeys, NewKey, NewKeyGroup, NewRole};

type Filter<'k> = Box<dyn Fn(&ApiKey) -> bool + 'k>;

/// What a key is sorted by: a number or a text.
fn place(key: &ApiKey, sort: KeySort) -> (i64, String) {
    match sort {
        KeySort::Name => (0, key.name.to_lowercase()),
        KeySort::Description => (0, key.description.to_lowercase()),
        KeySort::Role => (0, key.role_name.clone()),
        KeySort::LastUse => (used(key), String::new()),
        KeySort::CreatedAt => (key.created_at.timestamp(), String::new()),
        _ => (key.expires_at.map_or(i64::MAX, |time| time.timestamp()), String::new()),
    }
}

fn used(key: &ApiKey) -> i64 {
    if let LastUse::At(time) = key.last_use { time.timestamp() } else { 0 }
}

/// All pages of a list.
async fn walk(list: ListKeys<'_>, limit: u16) -> Vec<ApiKey> {
    let (mut keys, mut next) = (Vec::new(), None);
    loop {
        let list = list.clone().limit(limit);
        let page = match next {
            None => list.await.unwrap(),
            Some(cursor) => list.after(cursor).await.unwrap(),
        };
        keys.extend(page.records);
        next = page.next;
        if next.is_none() {
            return keys;
        }
    }
}

on_both_stores! {
    async fn pages_have_each_key_once_in_order_under_every_filter_and_sort(company: Company) {
        let session = &company.as_ada;
        let account = company.service_account("sync", &["flights:view"]).await;
        let role = session.roles().define(NewRole::new("Viewer", ["flights:view"])).await.unwrap().into_record();
        let group = session.key_groups().create(NewKeyGroup::new("batch")).await.unwrap().into_record();
        let verifier = company.operator.usage().register_verifier("edge").await.unwrap();
        for number in 0..24_u32 {
            // Many are alike in what they are sorted by.
            let name = ["Import", "import b", "Export", "éclair"][number as usize % 4];
            let lifetime = if number % 5 == 0 { Lifetime::UNLIMITED } else { Lifetime::days(number % 3 + 1) };
            let key = if number % 2 == 0 {
                NewKey::for_service_account(account.id, name, lifetime)
            } else {
                NewKey::for_tenant(role.id, name, lifetime)
            };
            let key = if number % 3 == 0 { key.in_group(group.id) } else { key };
            let key = if number % 7 == 0 { key.deactivated() } else { key };
            let key = key.description(["", "Nightly", "by hand"][number as usize % 3]);
            let key = session.keys().generate(key).await.unwrap().key;
            if number % 4 == 1 {
                let used = claviger_sdk::KeyUse { key: key.id, last_used_at: company.now(), count: 1 };
                company.reported(verifier.id, company.now(), &[used]).await.unwrap();
            }
            if number % 6 == 0 {
                company.advance(TimeDelta::hours(1));
            }
        }
        let all = walk(session.keys().list(), 1000).await;
        assert_eq!(all.len(), 24);
        let (soon, recently) = (company.now() + TimeDelta::days(2), company.now() - TimeDelta::hours(2));
        let list = || session.keys().list();
        let filters: Vec<(ListKeys<'_>, Filter<'_>)> = vec![
            (list(), Box::new(|_| true)),
            (list().owned_by(account.id), Box::new(|key| key.owner.person() == Some(account.id))),
            (list().in_role(role.id), Box::new(|key| key.owner.role() == Some(role.id))),
            (list().in_group(group.id), Box::new(|key| key.group == group.id)),
            (list().activated(false), Box::new(|key| !key.activated)),
            (list().activated(true), Box::new(|key| key.activated)),
            (list().unused_since(recently), Box::new(|key| used(key) < recently.timestamp())),
            (list().unused_since(DateTime::UNIX_EPOCH), Box::new(|_| false)),
            (list().expiring_before(soon), Box::new(|key| key.expires_at.is_some_and(|time| time < soon))),
            (list().starting_with("IMPORT"), Box::new(|key| key.name.to_lowercase().starts_with("import"))),
            (
                list().starting_with("i").in_group(group.id).activated(true),
                Box::new(|key| key.name.to_lowercase().starts_with('i') && key.group == group.id && key.activated),
            ),
        ];
        let sorts = [
            KeySort::Name, KeySort::Description, KeySort::Role, KeySort::LastUse, KeySort::CreatedAt, KeySort::ExpiresAt,
        ];
        for (number, (list, filter)) in filters.iter().enumerate() {
            for sort in sorts {
                let mut expected: Vec<_> = all.iter().filter(|key| filter(key)).collect();
                expected.sort_by_key(|key| (place(key, sort), key.id));
                for descending in [false, true] {
                    let list = list.clone().sorted_by(sort);
                    let list = if descending { list.descending() } else { list };
                    for limit in [1, 5, 1000] {
                        let found = walk(list.clone(), limit).await;
                        assert!(found.iter().eq(expected.iter().copied()), "filter {number}, {sort:?}, {descending}, {limit}");
                    }
                    expected.reverse();
                }
            }
        }
        // A cursor from outside of what a filter leaves begins the list, or ends it.
        let outside = list().starting_with("export").limit(1).await.unwrap().next.unwrap();
        let imports = list().starting_with("import");
        assert_eq!(imports.clone().after(outside.clone()).await.unwrap().records.len(), 12);
        assert_eq!(imports.descending().after(outside).await.unwrap().records.len(), 0);
    }
}
