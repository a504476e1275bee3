//! Holding the record against its checkpoints: the tree is built again from its leaves, each leaf is looked for in the
//! journal, and every signed head, kept here or elsewhere, must be a head of that tree.

use std::collections::BTreeMap;

use serde::Serialize;
use sqlx::{AnyConnection, Row};

use super::{Store, StoreError};
use crate::run::book::public_id;
use crate::run::checkpoint::{Hash, Head, Tree, TreeHead};
use crate::secret::{NoteVerifier, open_note};

/// Rows read at once.
const PAGE: i64 = 5_000;

/// More doubts than this are not listed: one who rewrote everything leaves one for every leaf.
const MOST: usize = 100;

/// Something that does not fit the checkpoints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Doubt {
    /// The run, where it is about one.
    pub run: Option<String>,
    /// What, in words.
    pub problem: String,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// Checkpoints in the record.
    pub checkpoints: usize,
    /// Checkpoints that were kept elsewhere and handed in.
    pub outside: usize,
    /// Leaves of the tree.
    pub heads: u64,
    /// What does not fit; empty where everything does.
    pub doubts: Vec<Doubt>,
}

impl Proof {
    fn doubt(&mut self, run: Option<i64>, problem: impl Into<String>) {
        if self.doubts.len() < MOST {
            self.doubts.push(Doubt { run: run.map(public_id), problem: problem.into() });
        }
    }
}

/// A signed head that is believed, and what it is called.
struct Signed {
    size: u64,
    root: Hash,
    name: String,
}

impl Store {
    /// Holds the whole record against its checkpoints and those kept `outside`, as notes. The chains themselves are
    /// checked by [`Store::verify`].
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn prove(&self, trusted: &[NoteVerifier], outside: &[String]) -> Result<Proof, StoreError> {
        let mut proof = Proof { outside: outside.len(), ..Proof::default() };
        // The checkpoints are read before the tree: a daemon may add to both meanwhile.
        let mut signed = self.signed_here(&mut proof, trusted).await?;
        let newest_here = signed.iter().map(|one| one.size).max().unwrap_or_default();
        for note in outside {
            let name = "a checkpoint kept elsewhere".to_owned();
            signed.extend(believed(&mut proof, note, trusted, name));
        }
        signed.sort_by_key(|one| one.size);
        let mut wanted: Vec<Signed> = signed;
        wanted.reverse();
        let (mut tree, mut last) = (Tree::default(), BTreeMap::new());
        meet(&mut proof, &mut wanted, &tree);
        let mut conn = self.reader().await?;
        loop {
            let from = i64::try_from(tree.size()).unwrap_or(i64::MAX);
            let page = heads(&mut conn, from).await?;
            for (leaf, head, found) in &page {
                if *leaf != i64::try_from(tree.size()).unwrap_or(i64::MAX) {
                    proof.doubt(None, format!("head {} of the tree is missing: it was taken out", tree.size()));
                    return Ok(proof);
                }
                in_the_journal(&mut proof, head, found.as_deref());
                tree.push(head.leaf());
                last.insert(head.run, (head.seq, head.hash.clone()));
                meet(&mut proof, &mut wanted, &tree);
            }
            if page.is_empty() {
                break;
            }
        }
        proof.heads = tree.size();
        for one in wanted.iter().rev() {
            proof.doubt(
                None,
                format!(
                    "{} covers {} heads, and the record has {}: the newest heads or checkpoints were cut off, or the \
                     database is an older copy",
                    one.name,
                    one.size,
                    tree.size()
                ),
            );
        }
        if tree.size() > newest_here && !self.grew_since(&mut conn, newest_here).await? {
            let beyond = tree.size() - newest_here;
            proof.doubt(
                None,
                format!("{beyond} heads are under no checkpoint: checkpoints were cut off, or heads added"),
            );
        }
        self.marked(&mut conn, &mut proof, &last).await?;
        Ok(proof)
    }

    /// Reads and judges the record's own checkpoints.
    async fn signed_here(&self, proof: &mut Proof, trusted: &[NoteVerifier]) -> Result<Vec<Signed>, StoreError> {
        let mut signed = Vec::new();
        let mut behind = 0;
        loop {
            let page = self.checkpoints_after(behind, PAGE).await?;
            let Some(last) = page.last() else { return Ok(signed) };
            behind = last.tree_size;
            for one in &page {
                proof.checkpoints += 1;
                let name = format!("the checkpoint over {} heads", one.tree_size);
                let Some(head) = believed(proof, &one.note, trusted, name) else { continue };
                if i64::try_from(head.size) != Ok(one.tree_size) {
                    proof.doubt(None, format!("{} is signed over {}: its row was changed", head.name, head.size));
                }
                signed.push(head);
            }
        }
    }

    /// Whether a checkpoint was added meanwhile.
    async fn grew_since(&self, conn: &mut AnyConnection, size: u64) -> Result<bool, StoreError> {
        let newest: Option<i64> = sqlx::query_scalar("SELECT MAX(tree_size) FROM checkpoints").fetch_one(conn).await?;
        Ok(newest.is_some_and(|newest| u64::try_from(newest).is_ok_and(|newest| newest > size)))
    }

    /// A run that is said to be covered ends with the head that covers it: else whoever marks it hides it from every
    /// checkpoint to come.
    async fn marked(
        &self,
        conn: &mut AnyConnection,
        proof: &mut Proof,
        last: &BTreeMap<i64, (i64, String)>,
    ) -> Result<(), StoreError> {
        let mut behind = 0_i64;
        loop {
            let rows =
                sqlx::query("SELECT id, seq, head FROM runs WHERE checkpointed = 1 AND id > $1 ORDER BY id LIMIT $2")
                    .bind(behind)
                    .bind(PAGE)
                    .fetch_all(&mut *conn)
                    .await?;
            for row in &rows {
                let (run, seq, head): (i64, i64, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
                behind = run;
                let covered = last.get(&run);
                // One that was covered while this was read has gone further.
                if covered.is_none_or(|(covered, hash)| *covered == seq && *hash != head || *covered < seq)
                    && !later(conn, run, seq, &head).await?
                {
                    proof.doubt(
                        Some(run),
                        format!("entry {seq} is said to be under a checkpoint and is under none: the mark was forged"),
                    );
                }
            }
            if rows.is_empty() {
                return Ok(());
            }
        }
    }
}

/// Whether the tree has this head now.
async fn later(conn: &mut AnyConnection, run: i64, seq: i64, head: &str) -> Result<bool, StoreError> {
    let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM heads WHERE run_id = $1 AND seq = $2 AND hash = $3")
        .bind(run)
        .bind(seq)
        .bind(head)
        .fetch_one(conn)
        .await?;
    Ok(count > 0)
}

fn believed(proof: &mut Proof, note: &str, trusted: &[NoteVerifier], name: String) -> Option<Signed> {
    let text = match open_note(note, trusted) {
        Ok(text) => text,
        Err(why) => {
            proof.doubt(None, format!("{name} is not believed: {why}"));
            return None;
        }
    };
    match TreeHead::parse(text) {
        Some(head) if trusted.iter().any(|known| known.name() == head.origin) => {
            Some(Signed { size: head.size, root: head.root, name })
        }
        _ => {
            proof.doubt(None, format!("{name} is signed and is no checkpoint of this record"));
            None
        }
    }
}

/// Compares the heads that are signed over a tree of this size; the smallest wanted one is the last.
fn meet(proof: &mut Proof, wanted: &mut Vec<Signed>, tree: &Tree) {
    while wanted.last().is_some_and(|one| one.size == tree.size()) {
        let Some(one) = wanted.pop() else { return };
        if one.root != tree.root() {
            proof.doubt(
                None,
                format!(
                    "{} was signed over other heads than the {} in the record: they were changed",
                    one.name, one.size
                ),
            );
        }
    }
}

/// A page of leaves, each with the hash that the journal has in its place.
async fn heads(conn: &mut AnyConnection, from: i64) -> Result<Vec<(i64, Head, Option<String>)>, StoreError> {
    let rows = sqlx::query(
        "SELECT h.leaf, h.run_id, h.seq, h.hash, COALESCE(j.hash, a.hash) AS found FROM heads h
         LEFT JOIN journal j ON j.run_id = h.run_id AND j.seq = h.seq
         LEFT JOIN archived_journal a ON a.run_id = h.run_id AND a.seq = h.seq WHERE h.leaf >= $1 ORDER BY h.leaf LIMIT $2",
    )
    .bind(from)
    .bind(PAGE)
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            let head = Head { run: row.try_get("run_id")?, seq: row.try_get("seq")?, hash: row.try_get("hash")? };
            Ok((row.try_get("leaf")?, head, row.try_get("found")?))
        })
        .collect()
}

fn in_the_journal(proof: &mut Proof, head: &Head, found: Option<&str>) {
    let Head { run, seq, hash } = head;
    match found {
        Some(found) if found == hash => {}
        Some(_) => proof.doubt(
            Some(*run),
            format!(
                "entry {seq} or one before it was rewritten: a checkpoint covers another hash than the journal has"
            ),
        ),
        None => proof.doubt(
            Some(*run),
            format!(
                "entry {seq} is under a checkpoint and not in the journal: entries or the whole run were taken out"
            ),
        ),
    }
}
