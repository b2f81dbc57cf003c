//! A program that is killed while it ends keys and publishes: what it acknowledged as ended and published is denied by the
//! root that it leaves behind, and by all that come after.

use crate::{
    random::Random,
    verifying::{Ended, Reading},
    world::{Database, Key, World, end, platform},
};
use claviger_sdk::{Actor, Directory, Lifetime, MasterKey, NewKey, NewServiceAccount, Publisher, Store};
use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    process::{Command, Stdio},
};

const MASTER_KEY: &str = "CLAVIGER_TEST_MASTER_KEY";
/// How often a program is killed over one store.
const KILLS: usize = 5;

fn acknowledge(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

/// Generates, ends and publishes until it is killed.
pub(crate) async fn go_on(location: &str, folder: &str, seed: &str) {
    let master_key = MasterKey::parse(&env::var(MASTER_KEY).unwrap()).unwrap();
    let store = Store::open(location, &master_key).await.unwrap();
    let ring = platform(&store).rings().list().await.unwrap()[0].id;
    let tenant = platform(&store).tenants().list().await.unwrap()[0].id;
    let operator = store.acting_as(Actor::operator("platform")).in_tenant(tenant);
    let publisher = Publisher::new(&store, ring, Directory::new(folder));
    let mut random = Random::new(seed.parse().unwrap());
    let name = format!("account_{seed}");
    let account = NewServiceAccount::new(&name, "Contrails Ltd", "it@contrails.example");
    let account = operator.service_accounts().create(account).await.unwrap().id;
    let mut keys: Vec<Key> = Vec::new();
    for number in 0_usize.. {
        match random.below(5) {
            0 => acknowledge_epoch(publisher.publish_whole().await.unwrap().epoch),
            1 => acknowledge_epoch(publisher.publish().await.unwrap().epoch),
            2 if !keys.is_empty() => {
                let key = random.take(&mut keys).unwrap();
                let (_, renewed) = end(&operator, &key, number).await;
                acknowledge(&format!("ended {}", key.text));
                if let Some(key) = renewed {
                    generated(&key);
                    keys.push(key);
                }
            }
            _ => {
                let name = format!("key {seed} {number}");
                let new = NewKey::for_service_account(account, &name, Lifetime::days(90));
                let key = Key::of(operator.keys().generate(new).await.unwrap(), &account);
                generated(&key);
                keys.push(key);
            }
        }
    }
}

fn acknowledge_epoch(epoch: u64) {
    acknowledge(&format!("published {epoch}"));
}

fn generated(key: &Key) {
    acknowledge(&format!("generated {} {} {}", key.id, key.owner, key.text));
}

/// What was acknowledged.
#[derive(Default)]
struct Ledger {
    /// Keys whose text was not acknowledged as ended.
    going: Vec<Key>,
    ended: Vec<Ended>,
}

impl Ledger {
    fn enter(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["generated", id, owner, text] => self.going.push(Key {
                id: id.parse().unwrap(),
                name: String::new(),
                text: text.to_owned(),
                owner: owner.to_owned(),
            }),
            ["ended", text] => {
                let place = self.going.iter().position(|key| key.text == text).unwrap();
                self.ended.push(Ended::new(self.going.swap_remove(place), None));
            }
            ["published", epoch] => {
                let epoch = epoch.parse().unwrap();
                for ended in &mut self.ended {
                    ended.from = ended.from.or(Some(epoch));
                }
            }
            _ => panic!("{line:?} is no acknowledgement"),
        }
    }

    /// Denied is what was published, whatever the root is that was left behind.
    fn check(&self, reading: &Reading<'_>, now: u64) {
        let epoch = reading.verifier.keyring().unwrap().epoch;
        for ended in &self.ended {
            if let Some(from) = ended.from {
                assert!(epoch >= from, "the root of an acknowledged publication is gone");
                assert!(reading.verdict(&ended.key.text, now).is_err(), "{ended:?} verifies in {epoch}");
            }
        }
    }
}

/// Starts a program, kills it at a random moment, and returns what it has acknowledged.
fn killed(world: &World, seed: u64, random: &mut Random) -> Vec<String> {
    let folder = world.destination.directory().path().to_str().unwrap();
    let mut program = Command::new(env::current_exe().unwrap())
        .args(["go_on", &world.place.location, folder, &seed.to_string()])
        .env(MASTER_KEY, world.master_key.to_text().expose())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(program.stdout.take().unwrap());
    let mut read = Vec::new();
    for _ in 0..random.below(30) {
        output.read_until(b'\n', &mut read).unwrap();
    }
    for _ in 0..random.below(3_000_000) {
        std::hint::spin_loop();
    }
    let over = program.try_wait().unwrap();
    assert!(over.is_none(), "the program failed before it was killed: {over:?}");
    program.kill().unwrap();
    program.wait().unwrap();
    output.read_to_end(&mut read).unwrap();
    let text = String::from_utf8(read).unwrap();
    // An acknowledgement counts when it is whole.
    text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).map(str::to_owned).collect()
}

pub(crate) async fn run(database: Database, seed: u64) -> usize {
    let mut random = Random::new(seed);
    // The programs go by the clock of the system, and so do the verifiers.
    let world = World::with_the_time(database).await;
    world.publisher().publish().await.unwrap();
    let mut long_lived = Reading::new(&world.destination, &world.keyring_keys);
    let mut ledger = Ledger::default();
    for kill in 0..KILLS as u64 {
        for line in killed(&world, seed * 1_000 + kill, &mut random) {
            ledger.enter(&line);
        }
        world.read_the_time();
        for publish in [false, true] {
            if publish {
                let store = world.another_store().await;
                let epoch =
                    world.publisher_over(&store, world.destination.clone()).publish().await.unwrap().epoch;
                ledger.enter(&format!("published {epoch}"));
            }
            world.destination.archive().await;
            let root = world.destination.present().await;
            long_lived.verifier.replace_keyring(root.bytes.clone(), world.now()).unwrap();
            ledger.check(&long_lived, world.now());
            let mut fresh = Reading::new(&world.destination, &world.keyring_keys);
            fresh.verifier.replace_keyring(root.bytes, world.now()).unwrap();
            ledger.check(&fresh, world.now());
        }
        // Of what was not acknowledged, at most one thing was done: a key was ended, or generated.
        let gone = ledger.going.iter().filter(|key| long_lived.verdict(&key.text, world.now()).is_err());
        assert!(gone.count() <= kill as usize + 1, "acknowledged keys are good");
    }
    KILLS
}
