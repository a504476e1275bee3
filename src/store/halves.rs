//! What is done for many at once, so that one that cannot be done stops nobody else.

/// A list that is worked off in pieces: one that fails is taken up again in halves, down to the single one that it
/// failed for.
#[derive(Debug)]
pub(crate) struct Halves<'a, T> {
    /// The next piece last.
    left: Vec<&'a [T]>,
}

impl<'a, T> Halves<'a, T> {
    pub(crate) fn of(all: &'a [T]) -> Self {
        let mut halves = Self { left: Vec::new() };
        halves.push(all);
        halves
    }

    /// The next piece, in the order of the list.
    pub(crate) fn next(&mut self) -> Option<&'a [T]> {
        self.left.pop()
    }

    /// Takes a piece up again in halves; false where there is nothing to halve.
    pub(crate) fn again(&mut self, failed: &'a [T]) -> bool {
        let (first, second) = failed.split_at(failed.len() / 2);
        if first.is_empty() {
            return false;
        }
        self.push(second);
        self.push(first);
        true
    }

    fn push(&mut self, piece: &'a [T]) {
        if !piece.is_empty() {
            self.left.push(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_done_once_in_order_but_for_those_that_cannot_be() {
        let all: Vec<u32> = (0..100).collect();
        let (mut halves, mut done, mut failed, mut pieces) =
            (Halves::of(&all), Vec::<u32>::new(), Vec::<u32>::new(), 0);
        while let Some(piece) = halves.next() {
            pieces += 1;
            match piece.iter().any(|one| [7, 8, 99].contains(one)) {
                false => done.extend(piece),
                true if halves.again(piece) => {}
                true => failed.extend(piece),
            }
        }
        assert_eq!(failed, [7, 8, 99]);
        assert_eq!(done, all.iter().copied().filter(|one| !failed.contains(one)).collect::<Vec<_>>());
        assert!(pieces < 45, "{pieces}");
        assert!(Halves::<u32>::of(&[]).next().is_none());
    }
}
