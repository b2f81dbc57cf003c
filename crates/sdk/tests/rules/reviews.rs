//! Reviews: which keys somebody should look at, and that he has.

use crate::{
    company::{Company, code, on_both_stores},
    keys::ids,
};
use chrono::TimeDelta;
use claviger_sdk::{ApiKey, BatchId, KeyUse, Lifetime, NewKey, ReviewReport, RevocationReason, UsageReport};

fn names(keys: &[ApiKey]) -> Vec<&str> {
    keys.iter().map(|key| key.name.as_str()).collect()
}

async fn report(company: &Company) -> ReviewReport {
    company
        .as_ada
        .reviews()
        .report()
        .unused_since(company.now() - TimeDelta::days(10))
        .limit(100)
        .await
        .unwrap()
}

on_both_stores! {
    async fn keys_that_were_never_used_and_keys_unused_for_long_are_in_lists_of_their_own(company: Company) {
        let usage = company.operator.usage();
        let edge = usage.register_verifier("edge").await.unwrap().id;
        company.key("never").await;
        let old = company.key("long ago").await.key.id;
        let fresh = company.key("just now").await.key.id;
        let then = company.now();
        company.advance(TimeDelta::days(11));
        let uses = [(old, then), (fresh, company.now() - TimeDelta::days(10))];
        let uses = uses.map(|(key, last_used_at)| KeyUse { key, last_used_at, count: 1 });
        company.reported(edge, company.now(), &uses).await.unwrap();
        let report = report(&company).await;
        assert_eq!(names(&report.never_used), ["never"]);
        assert_eq!(names(&report.unused), ["long ago"]);
        assert!(report.use_unknown.is_empty());
    }

    async fn what_is_unknown_is_never_proposed_as_never_used(company: Company) {
        company.key("old").await;
        company.advance(TimeDelta::days(20));
        let lists = async || {
            let report = report(&company).await;
            assert!(report.unused.is_empty());
            let own = |keys: &[ApiKey]| names(keys).join(" ");
            (own(&report.never_used), own(&report.use_unknown))
        };
        let usage = company.operator.usage();
        assert_eq!(lists().await, (String::new(), "old".into()), "no verifier is registered");
        let edge = usage.register_verifier("edge").await.unwrap().id;
        assert_eq!(lists().await, (String::new(), "old".into()), "it has not reported");
        company.reported(edge, company.now(), &[]).await.unwrap();
        assert_eq!(lists().await, ("old".into(), String::new()));
        company.key("new").await;
        assert_eq!(lists().await, ("old".into(), "new".into()), "generated after the report");
        usage.register_verifier("office").await.unwrap();
        assert_eq!(lists().await, (String::new(), "new old".into()), "another one has not reported");
    }

    async fn nothing_is_proposed_of_which_too_little_is_known(company: Company) {
        let usage = company.operator.usage();
        let edge = usage.register_verifier("edge").await.unwrap().id;
        company.key("never").await;
        let used = company.key("used").await.key.id;
        let used = KeyUse { key: used, last_used_at: company.now(), count: 1 };
        company.advance(TimeDelta::days(20));
        let lists = async || {
            let report = report(&company).await;
            [report.never_used, report.unused, report.use_unknown].map(|keys| names(&keys).join(" "))
        };
        let days = |from, until| {
            let [from, until] = [from, until].map(|day| crate::company::start() + TimeDelta::days(day));
            UsageReport::new(BatchId::random().unwrap(), from, until)
        };
        usage.report(edge, &days(11, 20).uses([used])).await.unwrap();
        assert_eq!(lists().await, ["", "", "never used"], "neither may have been used on the tenth day");
        usage.report(edge, &days(10, 11)).await.unwrap();
        assert_eq!(lists().await, ["", "used", "never"], "or one before that");
        usage.report(edge, &days(0, 10)).await.unwrap();
        assert_eq!(lists().await, ["never", "used", ""]);
        company.advance(TimeDelta::days(1));
        assert_eq!(lists().await, ["never", "used", ""]);
        company.advance(TimeDelta::seconds(1));
        assert_eq!(lists().await, ["", "", "never used"], "the verifier has been silent for more than a day");
    }

    async fn expired_keys_are_listed(company: Company) {
        company.key("import").await;
        company.advance(TimeDelta::days(90) - TimeDelta::seconds(1));
        assert!(report(&company).await.expired.is_empty());
        company.advance(TimeDelta::seconds(1));
        assert_eq!(names(&report(&company).await.expired), ["import"]);
    }

    async fn keys_of_inactive_owners_are_listed(company: Company) {
        let key = company.key("import").await.key;
        let new = NewKey::for_tenant(company.readonly.id, "tenants", Lifetime::UNLIMITED);
        company.as_ada.keys().generate(new).await.unwrap();
        assert!(report(&company).await.inactive_owner.is_empty());
        company.as_ada.people().deactivate(key.owner.person().unwrap()).await.unwrap();
        assert_eq!(names(&report(&company).await.inactive_owner), ["import"]);
    }

    async fn every_admin_key_is_listed_whatever_makes_it_one(company: Company) {
        let month = Lifetime::days(30);
        let by_permission = company.service_account("a", &["*"]).await;
        let by_role = company.service_account("b", &[]).await;
        let reader = company.service_account("c", &[]).await;
        let people = company.operator.people();
        people.grant_role(by_role.id, company.admin.id).await.unwrap();
        people.grant_role(reader.id, company.readonly.id).await.unwrap();
        for new in [
            NewKey::for_service_account(by_permission.id, "by permission", month),
            NewKey::for_service_account(by_role.id, "by role", month),
            NewKey::for_service_account(reader.id, "reader", month),
            NewKey::for_tenant(company.admin.id, "tenants", month),
            NewKey::for_tenant(company.readonly.id, "tenants reader", month),
            NewKey::on_my_behalf(company.admin.id, "hers", month),
            NewKey::for_tenant(company.admin.id, "read only", month).read_only(),
        ] {
            company.as_ada.keys().generate(new.confirming("ADMIN")).await.unwrap();
        }
        let later = company.key("later").await.key.owner.person().unwrap();
        assert_eq!(names(&report(&company).await.admin), ["by permission", "by role", "hers", "tenants"]);
        people.grant_role(later, company.admin.id).await.unwrap();
        assert_eq!(report(&company).await.admin.len(), 5, "its owner has become one");
    }

    async fn keys_that_were_ended_or_deleted_are_in_no_list(company: Company) {
        let new = |name: &str| NewKey::for_tenant(company.admin.id, name, Lifetime::days(1)).confirming("ADMIN");
        let keys = company.as_ada.keys();
        let [ended, deleted] = ["ended", "deleted"].map(new);
        let ended = keys.generate(ended).await.unwrap().key.id;
        let deleted = keys.generate(deleted).await.unwrap().key.id;
        let day = Some(TimeDelta::days(1));
        for id in [ended, deleted] {
            company.as_ada.reviews().record(id, "", day).await.unwrap();
        }
        keys.expire_now(ended, RevocationReason::Unused, "ended").await.unwrap();
        keys.delete(deleted, "deleted").await.unwrap();
        company.advance(TimeDelta::days(2));
        let report = report(&company).await;
        for list in [report.use_unknown, report.never_used, report.expired, report.admin, report.review_due] {
            assert!(ids(&list).is_empty());
        }
    }

    async fn a_review_is_recorded_and_comes_due_again(company: Company) {
        let key = company.key("import").await.key.id;
        let reviews = company.as_ada.reviews();
        assert!(reviews.of(key).await.unwrap().is_empty());
        let first = reviews.record(key, "still needed", Some(TimeDelta::days(30))).await.unwrap();
        let due = company.now() + TimeDelta::days(30);
        assert_eq!((first.key, first.reviewed_at, first.due_at), (key, company.now(), Some(due)));
        assert_eq!(first.reviewer, format!("user:{}", company.ada.id));
        assert_eq!(company.as_ada.keys().get(key).await.unwrap().review_due_at, Some(due));
        company.advance(TimeDelta::days(30) - TimeDelta::seconds(1));
        assert!(report(&company).await.review_due.is_empty());
        company.advance(TimeDelta::seconds(1));
        assert_eq!(names(&report(&company).await.review_due), ["import"]);
        let second = reviews.record(key, "", None).await.unwrap();
        assert_eq!(second.due_at, None);
        assert!(report(&company).await.review_due.is_empty());
        assert_eq!(reviews.of(key).await.unwrap(), [second, first]);
        assert_eq!(company.last_event("key.reviewed").await.unwrap().record, key.to_string());
    }

    async fn a_review_comes_due_after_a_day_to_ten_years_and_has_a_short_note(company: Company) {
        let key = company.key("import").await.key.id;
        let reviews = company.as_ada.reviews();
        for time in [TimeDelta::zero(), TimeDelta::hours(23), TimeDelta::days(3654), TimeDelta::days(-1)] {
            assert_eq!(code(reviews.record(key, "", Some(time)).await), "invalid");
        }
        assert_eq!(code(reviews.record(key, &"x".repeat(1001), None).await), "invalid");
        assert!(reviews.of(key).await.unwrap().is_empty());
    }

    async fn the_report_needs_to_see_all_keys_and_a_review_to_manage_them(company: Company) {
        let key = company.key("import").await.key.id;
        for (name, permission, sees, reviews) in [
            ("A", "api_keys:modify", false, false),
            ("B", "api_keys:view", true, false),
            ("C", "api_keys:modify_all", true, true),
        ] {
            let (_, session) = company.user(name, &[permission]).await;
            assert_eq!(session.reviews().report().unused_since(company.now()).limit(10).await.is_ok(), sees, "{permission}");
            assert_eq!(session.reviews().of(key).await.is_ok(), sees, "{permission}");
            assert_eq!(session.reviews().record(key, "", None).await.is_ok(), reviews, "{permission}");
        }
    }

    async fn a_report_shows_as_many_keys_as_were_asked_for_and_says_if_there_are_more(company: Company) {
        for name in ["a", "b", "c"] {
            company.key(name).await;
        }
        let reviews = company.as_ada.reviews();
        let report = reviews.report().unused_since(company.now()).limit(2).await.unwrap();
        assert_eq!((names(&report.use_unknown), report.truncated), (vec!["a", "b"], true));
        let report = reviews.report().unused_since(company.now()).limit(3).await.unwrap();
        assert_eq!((report.use_unknown.len(), report.truncated), (3, false));
        let used = company.as_ada.keys().list().await.unwrap().records[2].id;
        let verifier = company.operator.usage().register_verifier("edge").await.unwrap().id;
        let used = KeyUse { key: used, last_used_at: company.now(), count: 1 };
        company.reported(verifier, company.now(), &[used]).await.unwrap();
        company.advance(TimeDelta::days(1));
        let report = reviews.report().unused_since(company.now()).limit(2).await.unwrap();
        assert_eq!((report.use_unknown.len(), report.truncated), (2, true), "both those used and those not");
        for limit in [0, 1001] {
            assert_eq!(code(reviews.report().unused_since(company.now()).limit(limit).await), "invalid");
        }
        let other = company.other_tenant().await;
        assert!(other.reviews().report().unused_since(company.now()).limit(10).await.unwrap().use_unknown.is_empty());
    }

    async fn a_key_counts_as_unused_only_if_every_verifier_has_reported_since(company: Company) {
        let key = company.key("import").await.key.id;
        let usage = company.operator.usage();
        let verifier = usage.register_verifier("edge").await.unwrap().id;
        company.advance(TimeDelta::days(1));
        let used = KeyUse { key, last_used_at: company.now(), count: 1 };
        company.reported(verifier, company.now(), &[used]).await.unwrap();
        company.advance(TimeDelta::days(100));
        let report = company.as_ada.reviews().report().await.unwrap();
        assert_eq!((report.unused.len(), names(&report.use_unknown)), (0, vec!["import"]), "the verifier is silent");
        company.reported(verifier, company.now(), &[]).await.unwrap();
        let report = company.as_ada.reviews().report().await.unwrap();
        assert_eq!((names(&report.unused), report.use_unknown.len()), (vec!["import"], 0));
    }
}
