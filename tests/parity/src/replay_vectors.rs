//! The golden cases of `tests/vectors/replay.json`: ids of nonces, and what a window of them says in sequences of questions.
//!
//! The npm package's window is another implementation, and is held to the answers of core.

use anyhow::{Result, ensure};
use claviger_core::{NonceWindow, ReplayAnswer, ReplayEntry};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The largest integer that JavaScript has for sure.
const MOST: u64 = (1 << 53) - 1;
const NOW: u64 = 1_790_000_000;

/// Where the file is.
#[must_use]
pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/replay.json")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The id that a nonce of its number has in all cases.
fn entry(nonce: u64, keep_until: u64) -> ReplayEntry {
    ReplayEntry::new(b"3X7MqAhpmAi", format!("nonce {nonce}").as_bytes(), keep_until)
}

/// A window and what it was asked, as `[number of the nonce, keepUntil, now, answer]`.
struct Sequence {
    about: String,
    capacity: usize,
    keep_for: u32,
    window: NonceWindow,
    steps: Vec<Value>,
    answers: Vec<ReplayAnswer>,
}

impl Sequence {
    fn new(about: &str, capacity: usize, keep_for: u32) -> Self {
        let window = NonceWindow::new(capacity, keep_for);
        Self { about: about.to_owned(), capacity, keep_for, window, steps: Vec::new(), answers: Vec::new() }
    }

    fn ask(&mut self, nonce: u64, keep_until: u64, now: u64) {
        let answer = self.window.check_and_insert(&entry(nonce, keep_until), now);
        self.steps.push(json!([nonce, keep_until, now, answer.as_str()]));
        self.answers.push(answer);
    }

    fn count(&self, answer: ReplayAnswer) -> usize {
        self.answers.iter().filter(|given| **given == answer).count()
    }

    fn value(&self) -> Value {
        let (capacity, keep_for, size) = (self.capacity, self.keep_for, self.window.len());
        json!({"about": self.about, "capacity": capacity, "keepSeconds": keep_for, "sizeAtTheEnd": size, "steps": self.steps})
    }
}

/// Numbers that look random, and are the same each time (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }
}

fn chosen() -> Vec<Sequence> {
    let mut edges = Sequence::new("to the last second, and no further", 10, 100);
    for (nonce, keep_until, now) in [
        (1, NOW + 101, NOW),
        (1, NOW + 100, NOW),
        (1, NOW + 100, NOW),
        (2, NOW + 199, NOW + 99),
        (1, NOW + 100, NOW + 100),
        (2, NOW + 199, NOW + 199),
        (3, NOW + 300, NOW + 200),
        (2, NOW + 199, NOW + 200),
        (2, NOW + 300, NOW + 200),
    ] {
        edges.ask(nonce, keep_until, now);
    }
    let mut full = Sequence::new("full, and what is there is still known", 3, 100);
    for nonce in 0..5 {
        full.ask(nonce, NOW + 100, NOW);
    }
    full.ask(0, NOW + 100, NOW + 50);
    full.ask(4, NOW + 200, NOW + 100);
    let mut jumps = Sequence::new("a clock that jumps ahead and back", 10, 330);
    for (nonce, keep_until, now) in [
        (1, NOW + 330, NOW),
        (2, NOW + 900_330, NOW + 900_000),
        (1, NOW + 330, NOW + 1),
        (3, NOW + 331, NOW + 1),
        (3, NOW + 331, NOW + 1),
        (4, MOST, MOST),
        (4, MOST, 0),
        (5, 0, 0),
        (3, NOW + 331, NOW + 1),
    ] {
        jumps.ask(nonce, keep_until, now);
    }
    let mut nothing = Sequence::new("room for nothing", 0, 0);
    nothing.ask(1, NOW, NOW);
    let mut least = Sequence::new("a second at least", 10, 0);
    for (keep_until, now) in [(NOW + 2, NOW), (NOW + 1, NOW), (NOW + 1, NOW + 1), (NOW + 1, NOW + 2)] {
        least.ask(1, keep_until, now);
    }
    vec![edges, full, jumps, nothing, least]
}

fn random(seed: u64) -> Sequence {
    let mut numbers = Numbers(seed);
    let capacity = 1 + numbers.below(12);
    let keep_for = 1 + numbers.below(20);
    let mut sequence = Sequence::new(&format!("random, seed {seed}"), capacity as usize, keep_for as u32);
    let mut now = NOW;
    for _ in 0..150 {
        now = match numbers.below(20) {
            0 => now - numbers.below(60),
            1 => now + numbers.below(3 * keep_for + 1),
            _ => now + numbers.below(4),
        };
        sequence.ask(numbers.below(16), now + numbers.below(keep_for + 4) - 2, now);
    }
    sequence
}

/// Makes the file's content from the core.
///
/// # Errors
/// If the cases do not show what they are meant to.
pub fn generate() -> Result<Vec<u8>> {
    let mut ids = Vec::new();
    for (keyid, nonce) in [
        ("", ""),
        ("key", "nonce"),
        ("keyn", "once"),
        ("3X7MqAhpmAi", "b3k2pp5k7z-50gnwp.yemd"),
        ("é", "\u{1F511}"),
    ] {
        let id = hex(&ReplayEntry::new(keyid.as_bytes(), nonce.as_bytes(), 0).id);
        ids.push(json!({"keyid": keyid, "nonce": nonce, "id": id}));
    }
    let mut sequences = chosen();
    sequences.extend((1..=20).map(random));
    let all = |answer| sequences.iter().map(|sequence| sequence.count(answer)).sum::<usize>();
    for answer in [ReplayAnswer::Fresh, ReplayAnswer::Seen, ReplayAnswer::Unavailable] {
        ensure!(all(answer) > 300, "too few are {}: {}", answer.as_str(), all(answer));
    }
    let nonces: Vec<String> = (0..16).map(|nonce| hex(&entry(nonce, 0).id)).collect();
    let mut text = String::from(
        "{\n  \"about\": \"What is remembered of nonces (SHA-256 of the length of the key id, 8 bytes, big-endian; the key id; the nonce; all UTF-8), and what a window of them answers. A step is [index in `nonces`, keepUntil, now, answer].\",\n  \"format\": 1,\n  \"ids\": [",
    );
    let lines =
        |values: &[Value]| values.iter().map(|value| format!("\n    {value}")).collect::<Vec<_>>().join(",");
    text.push_str(&lines(&ids));
    text.push_str("\n  ],\n  \"nonces\": ");
    text.push_str(&Value::from(nonces).to_string());
    text.push_str(",\n  \"windows\": [");
    text.push_str(&lines(&sequences.iter().map(Sequence::value).collect::<Vec<_>>()));
    text.push_str("\n  ]\n}\n");
    Ok(text.into_bytes())
}
