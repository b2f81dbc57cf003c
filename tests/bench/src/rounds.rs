//! Cases that are measured beside each other.
//!
//! All take turns in short rounds, so that what disturbs the machine disturbs all of them; each round starts with calls that
//! are not measured, so that it finds its own data in the caches and not the others'. The figure of a case is the median over
//! its rounds.

use anyhow::{Context, Result};
use std::time::{Duration, Instant};

const ROUNDS: usize = 61;
const ROUND: Duration = Duration::from_millis(4);

/// Something whose calls are measured.
pub struct Case<'c> {
    name: String,
    run: Box<dyn FnMut() + 'c>,
    nanoseconds: Vec<f64>,
}

/// A case of this name, and one call of it.
pub fn case<'c>(name: impl Into<String>, run: impl FnMut() + 'c) -> Case<'c> {
    Case { name: name.into(), run: Box::new(run), nanoseconds: Vec::new() }
}

impl Case<'_> {
    fn round(&mut self) {
        let started = Instant::now();
        while started.elapsed() < ROUND {
            for _ in 0..8 {
                (self.run)();
            }
        }
        let (started, mut calls) = (Instant::now(), 0u32);
        let mut elapsed = Duration::ZERO;
        while elapsed < ROUND {
            for _ in 0..8 {
                (self.run)();
            }
            calls += 8;
            elapsed = started.elapsed();
        }
        self.nanoseconds.push(elapsed.as_nanos() as f64 / f64::from(calls));
    }

    fn median(&mut self) -> f64 {
        self.nanoseconds.sort_by(f64::total_cmp);
        self.nanoseconds.get(self.nanoseconds.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

/// Measures all, and prints a JSON line for each: its name, nanoseconds, and the ratio to the first.
///
/// # Errors
/// If there are no cases.
pub fn measure(cases: &mut [Case<'_>]) -> Result<()> {
    for _ in 0..ROUNDS {
        for case in &mut *cases {
            case.round();
        }
    }
    let base = cases.first_mut().context("no cases")?.median();
    for case in cases {
        let nanoseconds = case.median();
        println!(
            "{}",
            serde_json::json!({"name": case.name, "nanoseconds": nanoseconds, "to_first": nanoseconds / base})
        );
    }
    Ok(())
}
