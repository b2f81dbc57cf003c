//! API clients: service accounts' keys that are used as client id and secret. Every user of the tenant may see which
//! there are, never a secret.

use crate::{KeyStatus, PersonId, Result, Session, ids::RecordId, keys, sql::Statement};
use claviger_core::KeyId;

/// A client, as every user of the tenant may see it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ApiClient {
    /// The client id: that of the key.
    pub client_id: KeyId,
    /// The name of the key.
    pub name: String,
    /// The service account that the client acts as.
    pub service_account: PersonId,
    /// Whether the key is good now.
    pub status: KeyStatus,
}

/// API clients: see [`Session::api_clients`].
#[derive(Clone, Copy)]
pub struct ApiClients<'s>(pub(crate) &'s Session);

impl ApiClients<'_> {
    /// The clients of the tenant, by name. Needs no permission.
    ///
    /// # Errors
    /// [`Error::Database`](crate::Error::Database).
    pub async fn list(self) -> Result<Vec<ApiClient>> {
        let mut work = self.0.read().await?;
        let tenant = work.tenant()?.id;
        let mut query = Statement::new(keys::SELECT);
        query.push(" WHERE k.listed = 1 AND k.api_client = 1 AND k.tenant = ").bind(tenant.bytes());
        query.push(" ORDER BY k.name_folded, k.id");
        let keys = keys::read_all(&mut work, query).await?;
        let client = |key: crate::ApiKey| {
            let service_account = key.owner.person()?;
            Some(ApiClient { client_id: key.id, name: key.name, service_account, status: key.status })
        };
        Ok(keys.into_iter().filter_map(client).collect())
    }
}
