//! Pages of lists of keys, under every order and every filter.

use crate::{
    company::{Owners, now},
    median, only_tenant, time,
};
use anyhow::{Result, ensure};
use chrono::{DateTime, TimeDelta};
use claviger_bench::figures::Figure;
use claviger_sdk::{Actor, KeySort, ListKeys, Session, Store};

const ROUNDS: usize = 31;
/// Milliseconds.
const LIMIT: f64 = 10.0;

/// A row of the table: its figure is that of the slowest of its pages.
struct Row<'s> {
    name: String,
    pages: Vec<(ListKeys<'s>, Vec<f64>)>,
}

impl<'s> Row<'s> {
    /// Pages of 50 of a list in its order and in reverse, each the first and one from the middle, if the list is so long.
    async fn new(name: impl Into<String>, list: ListKeys<'s>, owners: &Owners) -> Result<Self> {
        let mut pages = Vec::new();
        for list in [list.clone(), list.descending()] {
            // The probe's keys are spread over the list, so the middle one of them is about in the middle.
            let probed = list.clone().owned_by(owners.probe).limit(1000).await?.records.len();
            if probed > 1 {
                let half = list.clone().owned_by(owners.probe).limit((probed / 2) as u16).await?;
                if let Some(cursor) = half.next {
                    pages.push((list.clone().after(cursor), Vec::new()));
                }
            }
            pages.push((list, Vec::new()));
        }
        Ok(Self { name: name.into(), pages })
    }
}

pub(crate) async fn measure(store: &Store) -> Result<Vec<Figure>> {
    let session = store.acting_as(Actor::operator("bench")).in_tenant(only_tenant(store).await?.id);
    let mut rows = rows(&session).await?;
    for round in 0..=ROUNDS {
        for (page, times) in rows.iter_mut().flat_map(|row| &mut row.pages) {
            let (milliseconds, found) = time(page.clone().into_future()).await?;
            ensure!(found.records.len() <= 50, "a page of more than 50");
            // The first round is to fill caches.
            if round > 0 {
                times.push(milliseconds);
            }
        }
    }
    let figure = |row: Row<'_>| {
        let medians = row.pages.into_iter().map(|(_, times)| median(&row.name, times));
        let slowest = medians.fold(0.0, f64::max);
        Figure::time(row.name, slowest, Some(LIMIT))
    };
    Ok(rows.into_iter().map(figure).collect())
}

async fn rows(session: &Session) -> Result<Vec<Row<'_>>> {
    let owners = Owners::find(session).await?;
    let list = || session.keys().list();
    let (now, epoch) = (now()?, DateTime::UNIX_EPOCH);
    let sorted = |sort| list().sorted_by(sort);
    let lists = [
        ("by name", sorted(KeySort::Name)),
        ("by description", sorted(KeySort::Description)),
        ("by role", sorted(KeySort::Role)),
        ("by last use", sorted(KeySort::LastUse)),
        ("by creation", sorted(KeySort::CreatedAt)),
        ("by expiry", sorted(KeySort::ExpiresAt)),
        ("owner of 300 thousand keys", list().owned_by(owners.accounts.common)),
        ("owner of 7 keys", list().owned_by(owners.accounts.rare)),
        ("owner of none", list().owned_by(owners.accounts.none)),
        ("role of 250 thousand keys", list().in_role(owners.roles.common)),
        ("role of 7 keys", list().in_role(owners.roles.rare)),
        ("role of none", list().in_role(owners.roles.none)),
        ("group of 350 thousand keys", list().in_group(owners.groups.common)),
        ("group of 7 keys", list().in_group(owners.groups.rare)),
        ("group of none", list().in_group(owners.groups.none)),
        ("activated: 99 of 100", list().activated(true)),
        ("not activated: 1 of 100", list().activated(false)),
        ("unused since a month: 9 of 10", list().unused_since(now - TimeDelta::days(30))),
        ("unused since 1970: none", list().unused_since(epoch)),
        ("expiring before now: 4 of 10", list().expiring_before(now)),
        ("expiring in the first week: few", list().expiring_before(now - TimeDelta::weeks(99))),
        ("expiring before 1970: none", list().expiring_before(epoch)),
        ("starting with a letter: 1 of 8", list().starting_with("a")),
        ("starting with a name: few", list().starting_with("import flights 1234")),
        ("starting with a text that none has", list().starting_with("zz")),
    ];
    let mut rows = Vec::new();
    for (name, list) in lists {
        rows.push(Row::new(name, list, &owners).await?);
    }
    Ok(rows)
}
