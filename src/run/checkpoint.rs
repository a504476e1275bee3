//! Checkpoints: a Merkle tree (RFC 6962, section 2.1) over what the heads of all runs were, and its signed head in the
//! form of C2SP `tlog-checkpoint`.
//!
//! The tree only grows. Each checkpoint adds one leaf for each run whose journal went on since the last one. A leaf is
//! the text `usher.head.v1 RUN SEQ HASH`, without a newline: the run's number, its last entry's number, and that entry's
//! hash in 64 hexadecimal digits. Whoever keeps one signed checkpoint elsewhere can show later that what it covers was
//! changed, whatever was recomputed in the database meanwhile.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// Where a run's journal ended when a checkpoint was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The run's number.
    pub run: i64,
    /// Its last entry's.
    pub seq: i64,
    /// That entry's hash, hex.
    pub hash: String,
}

impl Head {
    /// The leaf's hash: SHA-256 over 0x00 and the leaf's text.
    pub fn leaf(&self) -> Hash {
        let text = format!("usher.head.v1 {} {} {}", self.run, self.seq, self.hash);
        Sha256::new().chain_update([0]).chain_update(text).finalize().into()
    }
}

/// A Merkle tree as far as it is needed to let it grow: the roots of its full subtrees, the largest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    peaks: Vec<Hash>,
}

impl Tree {
    /// The tree of this size and these peaks; `None` where they do not fit together.
    pub fn of(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (u64::from(size.count_ones()) == peaks.len() as u64).then_some(Self { size, peaks })
    }

    /// How many leaves it has.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The roots of its full subtrees.
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Adds a leaf by its hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        let mut full = self.size;
        while full & 1 == 1 {
            if let Some(left) = self.peaks.pop() {
                hash = node(&left, &hash);
            }
            full >>= 1;
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The root's hash; of no leaves, SHA-256 of nothing.
    pub fn root(&self) -> Hash {
        let above = self.peaks.iter().rev().copied().reduce(|right, left| node(&left, &right));
        above.unwrap_or_else(|| Sha256::digest([]).into())
    }
}

/// SHA-256 over 0x01 and both sides.
fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// A tree's head, as it is signed: three lines, no extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeHead {
    /// Whose tree: the name of the key that signs.
    pub origin: String,
    /// Leaves.
    pub size: u64,
    /// The root's hash.
    pub root: Hash,
}

impl TreeHead {
    /// The text that is signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root))
    }

    /// Reads a checkpoint's text; extension lines are passed over. `None` where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        let number: u64 = size.parse().ok()?;
        let root = STANDARD.decode(root).ok()?.try_into().ok()?;
        let sound = !origin.is_empty() && number.to_string() == size && lines.all(|line| !line.is_empty());
        sound.then(|| Self { origin: origin.to_owned(), size: number, root })
    }
}

/// The notes in a file that holds one after the other: each ends with its last signature. What was cut off while it was
/// written is passed over where the whole note follows.
pub fn notes_in(text: &str) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    let mut note = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if !(note.is_empty() && line.is_empty()) {
            note.push_str(line);
            note.push('\n');
        }
        let signature_follows = lines.peek().is_some_and(|next| next.starts_with('\u{2014}'));
        // A checkpoint's only empty line stands before its signatures.
        if !signature_follows && (line.is_empty() || line.starts_with('\u{2014}')) && !note.is_empty() {
            notes.push(std::mem::take(&mut note));
        }
    }
    notes.extend(Some(note).filter(|note| !note.is_empty()));
    let begins = |at: usize, note: &String| notes[at + 1..].iter().any(|whole| whole.starts_with(note.trim_end()));
    let whole = notes.iter().enumerate().filter(|(at, note)| !begins(*at, note));
    whole.map(|(_, note)| note.clone()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 6962, section 2.1, word by word.
    fn mth(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Sha256::digest([]).into(),
            [one] => *one,
            many => {
                let mut k = 1;
                while k * 2 < many.len() {
                    k *= 2;
                }
                node(&mth(&many[..k]), &mth(&many[k..]))
            }
        }
    }

    fn head(run: i64) -> Head {
        Head { run, seq: run * 3, hash: "ab".repeat(32) }
    }

    #[test]
    fn the_tree_is_that_of_the_rfc() {
        let mut tree = Tree::default();
        assert_eq!(hex::encode(tree.root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        let mut leaves = Vec::new();
        for run in 0..130 {
            leaves.push(head(run).leaf());
            tree.push(head(run).leaf());
            assert_eq!(tree.root(), mth(&leaves), "{} leaves", leaves.len());
            assert_eq!(Tree::of(tree.size(), tree.peaks().to_vec()), Some(tree.clone()));
        }
        assert_eq!(Tree::of(3, vec![[0; 32]]), None);
    }

    /// The leaves and roots that the reference implementation of RFC 6962 is tested with.
    #[test]
    fn the_roots_are_those_of_others() {
        let leaves =
            ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
        let mut tree = Tree::default();
        let mut roots = Vec::new();
        for leaf in leaves {
            tree.push(Sha256::new().chain_update([0]).chain_update(hex::decode(leaf).unwrap()).finalize().into());
            roots.push(hex::encode(tree.root()));
        }
        assert_eq!(roots[2], "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77");
        assert_eq!(roots[7], "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
    }

    /// The leaf and the root of one leaf, as another program computes them: printf '\0usher.head.v1 12 34 …' | sha256sum.
    #[test]
    fn a_leaf_is_what_is_documented() {
        let head = Head { run: 12, seq: 34, hash: "00".repeat(32) };
        let text = format!("\0usher.head.v1 12 34 {}", "00".repeat(32));
        assert_eq!(head.leaf(), <[u8; 32]>::from(Sha256::digest(text)));
    }

    #[test]
    fn a_head_is_read_as_it_is_written() {
        let head = TreeHead { origin: "usher/1234".into(), size: 20_852_163, root: [7; 32] };
        assert_eq!(TreeHead::parse(&head.text()), Some(head.clone()));
        let extended = format!("{}extension\n", head.text());
        assert_eq!(TreeHead::parse(&extended), Some(head.clone()));
        let text = head.text();
        for wrong in [
            text.replacen("20852163", "020852163", 1),
            text.replacen("20852163", "x", 1),
            text.replacen("usher/1234", "", 1),
            text.trim_end().to_owned(),
            format!("{text}\n"),
            String::new(),
        ] {
            assert_eq!(TreeHead::parse(&wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn notes_are_told_apart() {
        let one = "a\n1\nx\n\n\u{2014} a AAAA\n";
        let two = "a\n2\ny\n\n\u{2014} a AAAA\n\u{2014} b BBBB\n";
        assert_eq!(notes_in(&format!("{one}{two}")), [one, two]);
        assert_eq!(notes_in(&format!("\n{one}\n\n{two}\n")), [one, two]);
        assert_eq!(notes_in(""), [""; 0]);
        assert_eq!(notes_in("torn\n"), ["torn\n"], "nothing whole follows");
        assert_eq!(notes_in(&format!("{one}b\n3\n\n{two}")), [one, "b\n3\n\n", two]);
    }

    proptest! {
        /// Any change of any leaf changes the root of every tree that holds it.
        #[test]
        fn a_changed_leaf_changes_the_root(count in 1_usize..60, at in 0_usize..60, seq in 1_i64..1000) {
            let at = at % count;
            let build = |changed: bool| {
                let mut tree = Tree::default();
                for run in 0..count {
                    let mut head = head(run as i64);
                    if changed && run == at {
                        head.seq += seq;
                    }
                    tree.push(head.leaf());
                }
                tree.root()
            };
            prop_assert_ne!(build(true), build(false));
        }
    }
}
