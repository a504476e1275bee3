//! Checkpoints over the heads of all runs: the tree as rows, and its signed heads.

use std::time::Duration;

use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::books::{json, parse};
use super::sql::{Text, gathered, keys, rows};
use super::{Store, StoreError, Tx};
use crate::run::checkpoint::{Head, Tree, TreeHead};
use crate::secret::{NoteSigner, NoteVerifier};

/// At most so many heads in one checkpoint: more make several, so that no transaction holds many runs for long.
const HEADS: i64 = 500;

/// Where the wrapped seed of the signing key stands.
pub(super) const SIGNING_KEY: &str = "signing_key";

/// A checkpoint as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checkpoint {
    /// Leaves of its tree.
    pub tree_size: i64,
    /// When it was made, epoch milliseconds of the store's clock.
    pub made_at: i64,
    /// The signed note.
    pub note: String,
}

/// A checkpoint that was just made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeCheckpoint {
    /// It.
    pub checkpoint: Checkpoint,
    /// More runs may have gone on than one checkpoint covers.
    pub more: bool,
}

/// Runs whose journal went on since the last checkpoint, in the order in which everybody locks runs.
macro_rules! changed {
    ($dialect:ident, $lock:literal) => {
        concat!(
            "SELECT ",
            gathered!(
                $dialect,
                [id, seq, head],
                concat!("SELECT id, seq, head FROM runs WHERE checkpointed = 0 ORDER BY id LIMIT $1", $lock)
            )
        )
    };
}

const CHANGED: Text = Text { sqlite: changed!(sqlite, ""), postgres: changed!(postgres, " FOR UPDATE") };

const MARK: Text = keys!("UPDATE runs SET checkpointed = 1 WHERE id", "");

const INSERT: Text = rows!(
    "INSERT INTO heads (leaf, run_id, seq, hash) SELECT leaf, run, seq, hash FROM",
    { leaf BIGINT, run BIGINT, seq BIGINT, hash TEXT },
    ""
);

#[derive(Serialize)]
struct Leaf {
    leaf: i64,
    #[serde(flatten)]
    head: Head,
}

impl Store {
    /// Makes a checkpoint when the last one is older than `every` and a run's journal went on since. Of several daemons one
    /// makes it.
    ///
    /// # Errors
    /// When the database cannot be written, or the last checkpoint is not one that this house has signed over this tree:
    /// nothing is signed then.
    pub async fn checkpoint(&self, every: Duration) -> Result<Option<MadeCheckpoint>, StoreError> {
        if !self.checkpoint_is_due(every).await? {
            return Ok(None);
        }
        let signer = self.note_signer().await?;
        let mut tx = self.begin().await?;
        self.take_keys(&mut tx, "checkpoint", 0).await?;
        // Another daemon may have been here meanwhile.
        let before = tx.now.as_millisecond() - millis(every);
        if !is_due(tx.conn(), before).await? {
            return Ok(None);
        }
        let made = self.extend(&mut tx, &signer).await?;
        if made.is_some() {
            self.commit(tx).await?;
        }
        Ok(made)
    }

    async fn checkpoint_is_due(&self, every: Duration) -> Result<bool, StoreError> {
        let mut conn = self.reader().await?;
        let now = self.times(&mut conn).await?.0.as_millisecond();
        is_due(&mut conn, now - millis(every)).await
    }

    async fn extend(&self, tx: &mut Tx, signer: &NoteSigner) -> Result<Option<MadeCheckpoint>, StoreError> {
        let mut tree = last_tree(tx.conn(), &signer.verifier()).await?;
        let changed: String = sqlx::query_scalar(CHANGED.of(self.dialect())).bind(HEADS).fetch_one(tx.conn()).await?;
        let changed: Vec<(i64, i64, String)> = parse("runs that went on", &changed)?;
        let mut leaves = Vec::with_capacity(changed.len());
        for (run, seq, hash) in changed {
            let head = Head { run, seq, hash };
            let leaf = size(&tree);
            tree.push(head.leaf());
            leaves.push(Leaf { leaf, head });
        }
        if leaves.is_empty() {
            return Ok(None);
        }
        let runs: Vec<i64> = leaves.iter().map(|leaf| leaf.head.run).collect();
        sqlx::query(INSERT.of(self.dialect())).bind(json(&leaves)).execute(tx.conn()).await?;
        sqlx::query(MARK.of(self.dialect())).bind(json(&runs)).execute(tx.conn()).await?;
        let head = TreeHead { origin: signer.name().to_owned(), size: tree.size(), root: tree.root() };
        let checkpoint =
            Checkpoint { tree_size: size(&tree), made_at: tx.now.as_millisecond(), note: signer.sign(&head.text()) };
        let peaks: Vec<String> = tree.peaks().iter().map(hex::encode).collect();
        sqlx::query("INSERT INTO checkpoints (tree_size, made_at, peaks, note) VALUES ($1, $2, $3, $4)")
            .bind(checkpoint.tree_size)
            .bind(checkpoint.made_at)
            .bind(json(&peaks))
            .bind(&checkpoint.note)
            .execute(tx.conn())
            .await?;
        Ok(Some(MadeCheckpoint { checkpoint, more: i64::try_from(leaves.len()) == Ok(HEADS) }))
    }

    /// What checkpoints are signed with: made once, kept in the record, sealed by the master key.
    ///
    /// # Errors
    /// When it cannot be read or made, or is gone while its checkpoints are there.
    pub async fn note_signer(&self) -> Result<NoteSigner, StoreError> {
        let place = signing_key_place();
        if self.meta(SIGNING_KEY).await?.is_none() {
            let mut tx = self.begin().await?;
            // Whoever makes checkpoints holds this row: a key that another daemon has just made is there now.
            self.take_keys(&mut tx, "checkpoint", 0).await?;
            let made: Option<String> = sqlx::query_scalar("SELECT value FROM meta WHERE name = $1")
                .bind(SIGNING_KEY)
                .fetch_optional(tx.conn())
                .await?;
            let signed: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM checkpoints").fetch_one(tx.conn()).await?;
            if made.is_none() && signed > 0 {
                return Err(StoreError::corrupt("list of checkpoints", "the key that signed them has been taken out"));
            }
            let (_, wrapped) = self.inner.keys.new_data_key(&place)?;
            sqlx::query("INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
                .bind(SIGNING_KEY)
                .bind(wrapped)
                .execute(tx.conn())
                .await?;
            self.commit(tx).await?;
        }
        let wrapped = self.meta(SIGNING_KEY).await?.unwrap_or_default();
        Ok(NoteSigner::of(&self.inner.keys.unwrap(&place, &wrapped)?))
    }

    /// What the record's own checkpoints are checked with; `None` where none was ever signed.
    ///
    /// # Errors
    /// When the key cannot be read.
    pub async fn note_verifier(&self) -> Result<Option<NoteVerifier>, StoreError> {
        let Some(wrapped) = self.meta(SIGNING_KEY).await? else { return Ok(None) };
        let seed = self.inner.keys.unwrap(&signing_key_place(), &wrapped)?;
        Ok(Some(NoteSigner::of(&seed).verifier()))
    }

    /// The newest checkpoint.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn last_checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        let mut conn = self.reader().await?;
        let row = sqlx::query("SELECT tree_size, made_at, note FROM checkpoints ORDER BY tree_size DESC LIMIT 1")
            .fetch_optional(&mut *conn)
            .await?;
        row.as_ref().map(checkpoint).transpose()
    }

    /// The checkpoints behind this tree size, oldest first, at most `limit`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn checkpoints_after(&self, size: i64, limit: i64) -> Result<Vec<Checkpoint>, StoreError> {
        let mut conn = self.reader().await?;
        let rows = sqlx::query(
            "SELECT tree_size, made_at, note FROM checkpoints WHERE tree_size > $1 ORDER BY tree_size LIMIT $2",
        )
        .bind(size)
        .bind(limit)
        .fetch_all(&mut *conn)
        .await?;
        rows.iter().map(checkpoint).collect()
    }

    /// The leaves of the tree from this one on, at most `limit`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn heads_from(&self, leaf: i64, limit: i64) -> Result<Vec<(i64, Head)>, StoreError> {
        let mut conn = self.reader().await?;
        let rows = sqlx::query("SELECT leaf, run_id, seq, hash FROM heads WHERE leaf >= $1 ORDER BY leaf LIMIT $2")
            .bind(leaf)
            .bind(limit)
            .fetch_all(&mut *conn)
            .await?;
        rows.iter().map(|row| Ok((row.try_get("leaf")?, head(row)?))).collect()
    }
}

/// Where the wrapped seed of the signing key stands.
pub(super) fn signing_key_place() -> String {
    format!("meta:{SIGNING_KEY}")
}

/// Looks for the last checkpoint's time and, only when that is long ago, for one run that went on.
async fn is_due(conn: &mut AnyConnection, before: i64) -> Result<bool, StoreError> {
    let last: Option<i64> = sqlx::query_scalar("SELECT made_at FROM checkpoints ORDER BY tree_size DESC LIMIT 1")
        .fetch_optional(&mut *conn)
        .await?;
    if last.is_some_and(|last| last > before) {
        return Ok(false);
    }
    let changed: Option<i64> =
        sqlx::query_scalar("SELECT id FROM runs WHERE checkpointed = 0 LIMIT 1").fetch_optional(conn).await?;
    Ok(changed.is_some())
}

/// The tree of the last checkpoint; refused where its note is not ours, or of another tree: a log never signs two
/// histories.
async fn last_tree(conn: &mut AnyConnection, verifier: &NoteVerifier) -> Result<Tree, StoreError> {
    let wrong = |why: &str| StoreError::corrupt("checkpoint", why);
    let row = sqlx::query("SELECT tree_size, peaks, note FROM checkpoints ORDER BY tree_size DESC LIMIT 1")
        .fetch_optional(&mut *conn)
        .await?;
    let beyond: i64 = sqlx::query_scalar("SELECT COALESCE(MAX(leaf) + 1, 0) FROM heads").fetch_one(conn).await?;
    let Some(row) = row else {
        return match beyond {
            0 => Ok(Tree::default()),
            _ => Err(wrong("there are heads of runs that no checkpoint covers; `usher audit verify` tells more")),
        };
    };
    let (tree_size, peaks, note): (i64, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let peaks: Vec<String> = parse("checkpoint", &peaks)?;
    let decode = |peak: &String| hex::decode(peak).ok().and_then(|bytes| bytes.try_into().ok());
    let peaks: Option<Vec<[u8; 32]>> = peaks.iter().map(decode).collect();
    let tree = peaks.and_then(|peaks| Tree::of(u64::try_from(tree_size).ok()?, peaks));
    let tree = tree.ok_or_else(|| wrong("its tree cannot be read"))?;
    let text =
        crate::secret::open_note(&note, std::slice::from_ref(verifier)).map_err(|why| wrong(&why.to_string()))?;
    let signed = TreeHead::parse(text).ok_or_else(|| wrong("its note is no checkpoint"))?;
    if signed.size != tree.size() || signed.root != tree.root() || beyond != tree_size {
        return Err(wrong("the tree is not the one that was signed; `usher audit verify` tells more"));
    }
    Ok(tree)
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

fn size(tree: &Tree) -> i64 {
    i64::try_from(tree.size()).unwrap_or(i64::MAX)
}

fn checkpoint(row: &AnyRow) -> Result<Checkpoint, StoreError> {
    Ok(Checkpoint {
        tree_size: row.try_get("tree_size")?,
        made_at: row.try_get("made_at")?,
        note: row.try_get("note")?,
    })
}

fn head(row: &AnyRow) -> Result<Head, StoreError> {
    Ok(Head { run: row.try_get("run_id")?, seq: row.try_get("seq")?, hash: row.try_get("hash")? })
}
