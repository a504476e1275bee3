//! How far a long command has come, on stderr where somebody looks at it.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar, or nothing where nobody looks.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar of `total`, visible or not.
    pub(super) fn new(total: u64, visible: bool) -> Self {
        let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len}") {
            bar.set_style(style);
        }
        Self { bar }
    }

    /// So many are done.
    pub fn at(&self, done: u64) {
        self.bar.set_position(done);
    }

    /// So many of so many are done, where the total is known only now.
    pub(super) fn at_of(&self, done: usize, total: usize) {
        self.bar.set_length(total as u64);
        self.at(done as u64);
    }

    /// Takes the bar away.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}
