//! `usher run show`

use std::time::Duration;

use clap::Args;

use super::super::finding::run_key;
use super::super::house::House;
use super::super::{CliError, Context, Exit};
use super::view::RunView;
use crate::clock;

/// How often a watched run is looked at.
const GLANCE: Duration = Duration::from_millis(500);

/// Shows a run and where each of its steps stands
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher run show run_12
  usher run show run_12 --watch          until it is over; Ctrl-C leaves it alone
  usher run show run_12 --watch --json   one object a line, whenever something changes")]
pub(super) struct Show {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,
    /// Shows every change until the run is over
    #[arg(long)]
    watch: bool,
}

impl Show {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let key = run_key(&self.run)?;
        let house = context.record().await?;
        let view = RunView::read(&house, key).await?;
        if self.watch {
            return watch(context, &house, key, view).await;
        }
        if context.out.is_json() {
            context.out.document(&view.document(&house), false)?;
        } else {
            view.page(context, &house)?;
        }
        Ok(Exit::Done)
    }
}

async fn watch(context: &mut Context, house: &House, key: i64, first: RunView) -> Result<Exit, CliError> {
    let mut view = first;
    let mut shown = String::new();
    loop {
        let pulse = view.pulse();
        if pulse != shown {
            say(context, house, &view, shown.is_empty())?;
            shown = pulse;
        }
        if view.book.run.state.is_over() {
            return Ok(Exit::Done);
        }
        clock::pause(GLANCE).await;
        view = RunView::read(house, key).await?;
    }
}

fn say(context: &mut Context, house: &House, view: &RunView, first: bool) -> Result<(), CliError> {
    if context.out.is_json() {
        return context.out.document(&view.document(house), true);
    }
    if !first || context.out.is_terminal() {
        context.out.fresh_page()?;
    }
    view.page(context, house)
}
