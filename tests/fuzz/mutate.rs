//! Inputs from a corpus: cut, doubled, mixed, with bytes and words that mean something put in. The same seed gives the
//! same inputs.

/// Words that grammars treat apart.
const WORDS: [&str; 48] = [
    "workflow:",
    "steps:\n",
    "  - id: ",
    "action: account.delete\n",
    "at: last_day + 60 days",
    "until: ",
    "grace: 30 days\n",
    "when: ",
    "inputs.",
    "person.",
    "{{ ",
    " }}",
    "{% for x in y %}",
    "{#",
    "|length",
    " is none",
    " and ",
    " not ",
    "'",
    "\"",
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    "&a ",
    "*a",
    "!!str ",
    "? ",
    ": ",
    "- ",
    "\n",
    "\r\n",
    "\t",
    "\u{feff}",
    "\u{0}",
    "ä",
    "\u{1F600}",
    ",",
    ";",
    "=",
    "-1",
    "18:00",
    "2027-01-29",
    "\"fact\":\"step\"",
    "{\"sealed\":0}",
    "99999999999999999999",
];

pub struct Mutator<'c> {
    state: u64,
    corpus: &'c [Vec<u8>],
    longest: usize,
}

impl<'c> Mutator<'c> {
    pub fn new(seed: u64, corpus: &'c [Vec<u8>], longest: usize) -> Self {
        Self { state: seed, corpus, longest }
    }

    /// SplitMix64, below `limit`.
    fn below(&mut self, limit: usize) -> usize {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % limit.max(1) as u64).expect("below a usize")
    }

    pub fn next_input(&mut self) -> Vec<u8> {
        let mut input = self.corpus[self.below(self.corpus.len())].clone();
        for _ in 0..=self.below(5) {
            self.change(&mut input);
        }
        input.truncate(self.longest);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let (from, to) = self.range(input.len());
        match self.below(7) {
            0 => drop(input.drain(from..to)),
            1 => {
                let part = input[from..to].to_vec();
                let at = self.below(input.len() + 1);
                input.splice(at..at, part);
            }
            2 => {
                let word = WORDS[self.below(WORDS.len())];
                input.splice(from..from, word.bytes());
            }
            3 => {
                let word = WORDS[self.below(WORDS.len())];
                input.splice(from..to, word.bytes());
            }
            4 => {
                let other = &self.corpus[self.below(self.corpus.len())];
                let (start, end) = self.range(other.len());
                input.splice(from..to, other[start..end].iter().copied());
            }
            5 if !input.is_empty() => {
                let at = self.below(input.len());
                input[at] = u8::try_from(self.below(256)).expect("a byte");
            }
            _ if !input.is_empty() => {
                let at = self.below(input.len());
                input[at] ^= 1 << self.below(8);
            }
            _ => {}
        }
    }

    /// A part of at most 64 bytes.
    fn range(&mut self, length: usize) -> (usize, usize) {
        let from = self.below(length + 1);
        (from, from + self.below((length - from).min(64) + 1))
    }
}
