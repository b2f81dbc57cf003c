//! API clients: service accounts' keys that are used as client id and secret.

use crate::{
    company::{code, on_both_stores},
    keys::{secret_of, text},
};
use claviger_sdk::{KeyEdit, KeyStatus, Lifetime, NewKey};

on_both_stores! {
    async fn every_user_of_the_tenant_may_list_them_and_sees_no_secret(company: Company) {
        let account = company.service_account("flight_sync", &["flights:view"]).await;
        let month = Lifetime::days(30);
        let new = |name: &str| NewKey::for_service_account(account.id, name, month);
        let keys = company.as_ada.keys();
        let second = keys.generate(new("sync").as_api_client()).await.unwrap();
        let first = keys.generate(new("Import").as_api_client().for_signing()).await.unwrap().key.id;
        keys.generate(new("no client")).await.unwrap();
        keys.deactivate(first).await.unwrap();
        let (_, as_nobody) = company.user("Bob", &[]).await;
        let clients = as_nobody.api_clients().list().await.unwrap();
        assert_eq!(
            clients.iter().map(|client| (client.client_id, client.name.as_str(), client.status)).collect::<Vec<_>>(),
            [(first, "Import", KeyStatus::Deactivated), (second.key.id, "sync", KeyStatus::Active)]
        );
        assert!(clients.iter().all(|client| client.service_account == account.id));
        assert!(!format!("{clients:?}").contains(secret_of(text(&second))));
        assert_eq!(code(as_nobody.keys().list().await), "permission_needed");
    }

    async fn a_service_accounts_key_becomes_one_and_ceases_to_be_one(company: Company) {
        let key = company.key("import").await.key;
        let keys = company.as_ada.keys();
        let key = keys.edit(key.id, key.revision, KeyEdit::new().api_client(true)).await.unwrap();
        assert_eq!(company.as_ada.api_clients().list().await.unwrap().len(), 1);
        let key = keys.edit(key.id, key.revision, KeyEdit::new().api_client(false)).await.unwrap();
        assert!(company.as_ada.api_clients().list().await.unwrap().is_empty());
        keys.edit(key.id, key.revision, KeyEdit::new().api_client(true)).await.unwrap();
        keys.delete(key.id, "import").await.unwrap();
        assert!(company.as_ada.api_clients().list().await.unwrap().is_empty(), "deleted");
    }

    async fn clients_of_other_tenants_are_not_among_them(company: Company) {
        let account = company.service_account("flight_sync", &["flights:view"]).await;
        let new = NewKey::for_service_account(account.id, "sync", Lifetime::days(1)).as_api_client();
        company.as_ada.keys().generate(new).await.unwrap();
        assert_eq!(company.operator.api_clients().list().await.unwrap().len(), 1);
        assert!(company.other_tenant().await.api_clients().list().await.unwrap().is_empty());
    }
}
