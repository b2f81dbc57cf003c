//! Lists of keys: filtered, sorted, in pages. Every filter and every order has an index.

use super::{ApiKey, Keys, LastUse, only_behalf_of, read_all};
use crate::{
    Cursor, Error, GroupId, Page, PersonId, Result, RoleId, Session, TenantId,
    ids::RecordId,
    page::{awaitable, check_limit},
    rows::RowExt,
    schema::NO_END,
    sql::Statement,
    starting_with, validate,
    work::Work,
};
use chrono::{DateTime, Utc};

/// By what a list of keys is sorted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum KeySort {
    /// By name, without regard to case.
    Name,
    /// By the first 64 characters of the description, without regard to case.
    Description,
    /// By the name of the role.
    Role,
    /// By last use; those never used, as far as is known, come first.
    LastUse,
    /// By when they were generated.
    CreatedAt,
    /// By expiry; those that never expire come last.
    ExpiresAt,
}

impl KeySort {
    const fn column(self) -> &'static str {
        match self {
            Self::Name => "name_folded",
            Self::Description => "description_folded",
            Self::Role => "role_name",
            Self::LastUse => "last_used_at",
            Self::CreatedAt => "created_at",
            Self::ExpiresAt => "expires_at",
        }
    }

    const fn is_number(self) -> bool {
        matches!(self, Self::LastUse | Self::CreatedAt | Self::ExpiresAt)
    }

    fn value(self, key: &ApiKey) -> String {
        let seconds = |time: DateTime<Utc>| time.timestamp();
        match self {
            Self::Name => validate::folded(&key.name),
            Self::Description => super::edit::sortable(&key.description),
            Self::Role => key.role_name.clone(),
            Self::LastUse => match key.last_use {
                LastUse::At(time) => seconds(time).to_string(),
                _ => "0".to_owned(),
            },
            Self::CreatedAt => seconds(key.created_at).to_string(),
            Self::ExpiresAt => key.expires_at.map_or(NO_END, seconds).to_string(),
        }
    }
}

/// What a list is sorted by: of one column, so always numbers or always texts, which compare as the databases do.
#[derive(Clone, PartialEq, PartialOrd)]
enum Value {
    Number(i64),
    Text(String),
}

impl Value {
    fn bind(self, query: &mut Statement) {
        match self {
            Self::Number(number) => query.bind(number),
            Self::Text(text) => query.bind(text),
        };
    }
}

/// Up to so many keys are sorted for a page; of more, the index of the order is walked until enough of them are found.
const FEW: i64 = 2000;

/// A list of keys: see [`Keys::list`].
#[derive(Clone, Debug)]
#[must_use = "a list is read when it is awaited"]
pub struct ListKeys<'s> {
    session: &'s Session,
    owner: Option<PersonId>,
    role: Option<RoleId>,
    group: Option<GroupId>,
    activated: Option<bool>,
    unused_since: Option<i64>,
    expiring_before: Option<i64>,
    starting_with: String,
    sort: Option<KeySort>,
    descending: bool,
    after: Option<Cursor>,
    limit: u16,
}

awaitable!(ListKeys => Page<ApiKey>);

impl<'s> Keys<'s> {
    /// The keys of the tenant that the actor may see: all with `api_keys:view` or `api_keys:modify_all`, those on his own
    /// behalf with `api_keys:modify`. Personal keys are in no list.
    ///
    /// ```
    /// # use claviger_sdk::{ApiKey, KeySort, Page, Session};
    /// # async fn example(session: &Session, long_ago: chrono::DateTime<chrono::Utc>) -> claviger_sdk::Result<()> {
    /// let unused: Page<ApiKey> = session.keys().list().unused_since(long_ago).limit(50).await?;
    /// if let Some(cursor) = unused.next {
    ///     let more = session.keys().list().unused_since(long_ago).limit(50).after(cursor).await?;
    /// }
    /// let newest = session.keys().list().sorted_by(KeySort::CreatedAt).descending().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Awaiting it fails with [`Error::PermissionNeeded`] without any of the three, and with [`Error::Invalid`] for a
    /// cursor of a list in another order and for a limit that is not 1 to 1000.
    pub const fn list(self) -> ListKeys<'s> {
        ListKeys {
            session: self.0,
            owner: None,
            role: None,
            group: None,
            activated: None,
            unused_since: None,
            expiring_before: None,
            starting_with: String::new(),
            sort: None,
            descending: false,
            after: None,
            limit: 50,
        }
    }
}

impl ListKeys<'_> {
    /// Only those of this service account, or on behalf of this user.
    pub fn owned_by(self, person: PersonId) -> Self {
        Self { owner: Some(person), ..self }
    }

    /// Only those that act in this role.
    pub fn in_role(self, role: RoleId) -> Self {
        Self { role: Some(role), ..self }
    }

    /// Only those in this group.
    pub fn in_group(self, group: GroupId) -> Self {
        Self { group: Some(group), ..self }
    }

    /// Only those that are activated, or only those that are not.
    pub fn activated(self, activated: bool) -> Self {
        Self { activated: Some(activated), ..self }
    }

    /// Only those of which no use since then is known. Sorted by last use if nothing else is said.
    pub fn unused_since(self, time: DateTime<Utc>) -> Self {
        Self { unused_since: Some(time.timestamp()), ..self }
    }

    /// Only those that expire before then, or have expired. Sorted by expiry if nothing else is said.
    pub fn expiring_before(self, time: DateTime<Utc>) -> Self {
        Self { expiring_before: Some(time.timestamp()), ..self }
    }

    /// Only those whose names start so, without regard to case.
    pub fn starting_with(self, text: &str) -> Self {
        Self { starting_with: text.to_owned(), ..self }
    }

    /// In this order; by name if nothing is said.
    pub fn sorted_by(self, sort: KeySort) -> Self {
        Self { sort: Some(sort), ..self }
    }

    /// In reverse.
    pub fn descending(self) -> Self {
        Self { descending: true, ..self }
    }

    /// Only those behind the last of the page before, which was in the same order.
    pub fn after(self, cursor: Cursor) -> Self {
        Self { after: Some(cursor), ..self }
    }

    /// At most so many: 1 to 1000, 50 if nothing is said.
    pub fn limit(self, limit: u16) -> Self {
        Self { limit, ..self }
    }

    async fn run(self) -> Result<Page<ApiKey>> {
        let mut work = self.session.read().await?;
        check_limit(self.limit)?;
        let only_user = only_behalf_of(&work)?;
        self.read(&mut work, only_user).await
    }

    /// The page, of keys on behalf of `only_user` if there is one.
    async fn read(&self, work: &mut Work, only_user: Option<PersonId>) -> Result<Page<ApiKey>> {
        let sort = self.sort.unwrap_or(match (self.unused_since, self.expiring_before) {
            (Some(_), _) => KeySort::LastUse,
            (None, Some(_)) => KeySort::ExpiresAt,
            (None, None) => KeySort::Name,
        });
        let few = self.are_few(work, only_user, sort).await?;
        let (comparison, direction) = if self.descending { ("<", " DESC") } else { (">", "") };
        let (mut lower, mut upper) = self.bounds(sort)?;
        let mut place = self.place(sort)?;
        // Of a bound and a cursor on the same side only the narrower one counts. SQLite would go by the bound and read
        // all that is before the cursor.
        if let Some((value, _)) = &place {
            let bound = if self.descending { &mut upper } else { &mut lower };
            match bound {
                Some(bound) if self.descending && value >= bound => place = None,
                Some(bound) if !self.descending && value < bound => place = None,
                bound => *bound = None,
            }
        }
        let mut query = Statement::new(super::SELECT);
        self.push_filters(&mut query, work.tenant()?.id, only_user, Some(sort))?;
        // Of an expression there is no index, so that the one of the filter is taken.
        let column = match (few, sort.is_number()) {
            (false, _) => format!("k.{}", sort.column()),
            (true, true) => format!("(k.{} + 0)", sort.column()),
            (true, false) => format!("(k.{} || '')", sort.column()),
        };
        for (bound, comparison) in [(lower, " >= "), (upper, " < ")] {
            if let Some(bound) = bound {
                bound.bind(query.push(" AND ").push(&column).push(comparison));
            }
        }
        if let Some((value, id)) = place {
            value.bind(query.push(" AND (").push(&column).push(", k.id) ").push(comparison).push(" ("));
            query.push(", ").bind(id).push(")");
        }
        query.push(" ORDER BY ").push(&column).push(direction).push(", k.id").push(direction);
        query.push(" LIMIT ").bind(i64::from(self.limit) + 1);
        let keys = read_all(work, query).await?;
        Ok(Page::of(keys, self.limit, |key: &ApiKey| Cursor::new(sort.column(), sort.value(key), key.id)))
    }

    /// Where the page begins.
    fn place(&self, sort: KeySort) -> Result<Option<(Value, Vec<u8>)>> {
        let Some(cursor) = &self.after else { return Ok(None) };
        let (value, id) = cursor.place(sort.column())?;
        let value = if sort.is_number() {
            let number =
                value.parse().map_err(|_| Error::invalid("cursor", "it is none that a list gave"))?;
            Value::Number(number)
        } else {
            Value::Text(value.to_owned())
        };
        Ok(Some((value, id)))
    }

    /// The least value that the filters leave of what is sorted by, and the first one above.
    fn bounds(&self, sort: KeySort) -> Result<(Option<Value>, Option<Value>)> {
        Ok(match sort {
            KeySort::Name => match starting_with::bounds(&self.starting_with)? {
                Some((start, end)) => (Some(Value::Text(start)), end.map(Value::Text)),
                None => (None, None),
            },
            KeySort::LastUse => (None, self.unused_since.map(Value::Number)),
            KeySort::ExpiresAt => (None, self.expiring_before.map(Value::Number)),
            _ => (None, None),
        })
    }

    /// Whether a filter of which this order's index knows nothing leaves only few keys.
    async fn are_few(&self, work: &mut Work, only_user: Option<PersonId>, sort: KeySort) -> Result<bool> {
        let tenant = work.tenant()?.id;
        let bare = Keys(self.session).list();
        // One at a time, because then there is an index that only has to be counted.
        let mut filters = Vec::new();
        if sort != KeySort::Name {
            filters.extend(self.owner.or(only_user).map(|owner| bare.clone().owned_by(owner)));
            filters.extend(self.role.map(|role| bare.clone().in_role(role)));
            filters.extend(self.group.map(|group| bare.clone().in_group(group)));
            filters.extend(self.activated.map(|activated| bare.clone().activated(activated)));
            if !self.starting_with.is_empty() {
                filters.push(bare.clone().starting_with(&self.starting_with));
            }
        }
        if sort != KeySort::LastUse {
            filters.extend(self.unused_since.map(|time| Self { unused_since: Some(time), ..bare.clone() }));
        }
        if sort != KeySort::ExpiresAt {
            filters.extend(
                self.expiring_before.map(|time| Self { expiring_before: Some(time), ..bare.clone() }),
            );
        }
        for filter in filters {
            let mut query = Statement::new("SELECT COUNT(*) AS count FROM (SELECT 1 FROM api_keys k");
            filter.push_filters(&mut query, tenant, None, None)?;
            query.push(" LIMIT ").bind(FEW).push(") AS found");
            if work.one(query.query(work.dialect())?).await?.int("count")? < FEW {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// All filters but the bounds of the column `but`.
    fn push_filters(
        &self,
        query: &mut Statement,
        tenant: TenantId,
        only_user: Option<PersonId>,
        but: Option<KeySort>,
    ) -> Result<()> {
        query.push(" WHERE k.listed = 1 AND k.tenant = ").bind(tenant.bytes());
        if let Some(owner) = self.owner {
            query.push(" AND k.person = ").bind(owner.bytes());
        }
        if let Some(user) = only_user {
            query.push(" AND k.owner_kind = 1 AND k.person = ").bind(user.bytes());
        }
        if let Some(role) = self.role {
            query.push(" AND k.role = ").bind(role.bytes());
        }
        if let Some(group) = self.group {
            query.push(" AND k.key_group = ").bind(group.bytes());
        }
        if let Some(activated) = self.activated {
            query.push(" AND k.activated = ").bind(i64::from(activated));
        }
        if let Some(time) = self.unused_since.filter(|_| but != Some(KeySort::LastUse)) {
            query.push(" AND k.last_used_at < ").bind(time);
        }
        if let Some(time) = self.expiring_before.filter(|_| but != Some(KeySort::ExpiresAt)) {
            query.push(" AND k.expires_at < ").bind(time);
        }
        if but != Some(KeySort::Name) {
            starting_with::push(query, "k.name_folded", &self.starting_with)?;
        }
        Ok(())
    }
}
