//! Entries of the journal: words taken out and sealed, the chain's hash, and a chain verified.

use std::error::Error;
use std::hint::black_box;

use criterion::{Criterion, Throughput};
use usher::run::journal::{Entry, Fact, GENESIS, split, verify};
use usher::secret::{DataKey, KeyRing, Secret, seal};

/// Entries of the chain that is verified: a small departure's.
const CHAIN: i64 = 200;

/// One entry with a person's words, one without, and a whole chain.
pub(crate) fn entries(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let ring = KeyRing::from_secret(&Secret::new("07".repeat(32)))?;
    let (key, _) = ring.new_data_key("people:1")?;
    criterion.bench_function("journal/an entry with words, sealed and chained", |bencher| {
        bencher.iter(|| entry(7, black_box(GENESIS), Some(&key)));
    });
    criterion.bench_function("journal/an entry without words, chained", |bencher| {
        bencher.iter(|| entry(7, black_box(GENESIS), None));
    });
    let mut chain: Vec<Entry> = Vec::new();
    for seq in 1..=CHAIN {
        let head = chain.last().map_or(GENESIS, |last| last.hash.as_str());
        chain.push(entry(seq, head, Some(&key))?);
    }
    let head = chain.last().ok_or("a chain")?.hash.clone();
    verify(&chain, CHAIN, &head)?;
    let mut group = criterion.benchmark_group("journal");
    group.throughput(Throughput::Elements(CHAIN.unsigned_abs()));
    group.bench_function("a chain of 200 entries, verified", |bencher| {
        bencher.iter(|| verify(black_box(&chain), CHAIN, &head));
    });
    group.finish();
    Ok(())
}

/// An entry as the store makes it.
fn entry(seq: i64, head: &str, key: Option<&DataKey>) -> Result<Entry, Box<dyn Error>> {
    let reason = "she has told reception on Friday that the laptop is stolen".to_owned();
    let (body, words) = split(&Fact::Ordered { order: "retry".to_owned(), reason });
    let sealed = match key {
        Some(key) => seal(key, &format!("journal:1:{seq}"), &serde_json::to_vec(&words)?)?,
        None => String::new(),
    };
    let mut entry = Entry {
        run: 1,
        seq,
        at: 1_801_242_000_000,
        step: Some(3),
        actor: "os:helene".to_owned(),
        body: body.to_string(),
        sealed,
        hash: String::new(),
    };
    entry.hash = entry.chain(head);
    Ok(entry)
}
