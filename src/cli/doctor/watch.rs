//! What is watched: overdue cuts, silent sources, systems that cannot be read, the mark outside the database, the webhook.

use super::super::CliError;
use super::super::counted::counted;
use super::Check;
use crate::config::Config;
use crate::daemon;
use crate::mail::Webhook;
use crate::store::{MarkStanding, Store};

/// Whether the webhook could be used; nothing is sent.
pub(super) async fn webhook(config: &Config, store: Option<&Store>) -> Option<Check> {
    let mut webhook = Webhook::open(config.webhook.clone()?);
    if webhook.needs_store()
        && let Some(store) = store
    {
        webhook = webhook.with_store(store.clone());
    }
    Some(match webhook.check().await {
        Ok(()) => Check::ok("webhook", webhook.place()),
        Err(why) => Check::bad("webhook", why).help("see [alerts.webhook] in usher.toml; `usher alerts test` tries it"),
    })
}

/// What has gone wrong, or may have.
pub(super) async fn watched(config: &Config, store: &Store) -> Result<Vec<Check>, CliError> {
    let mut checks = vec![match store.late_cuts().await? {
        0 => Check::ok("access cuts", "none is overdue"),
        late => Check::bad(
            "access cuts",
            counted(late, "is not done five minutes after its time", "are not done five minutes after their time"),
        )
        .help("`usher alerts list` names them"),
    }];
    if let Some(after) = config.silent_after {
        let silent = store.silent_sources(after).await?;
        let names: Vec<&str> = silent.iter().map(|row| row.source.as_str()).collect();
        checks.push(match names.as_slice() {
            [] => Check::ok("HR", "no source has been silent for too long"),
            names => Check::warn("HR", format!("nothing has been heard of {}", names.join(", ")))
                .help("`usher people import FILE`; `[people] silent_after` says how long is too long"),
        });
    }
    for row in store.unread_systems().await?.into_iter().filter(|row| config.systems.contains_key(&row.system)) {
        let check = Check::warn(format!("accounts of {}", row.system), format!("they cannot be read: {}", row.why));
        checks.push(check.help(format!("`usher systems test {}`, `usher accounts sync`", row.system)));
    }
    checks.push(mark(config, store).await?);
    Ok(checks)
}

/// How the mark stands to the database.
async fn mark(config: &Config, store: &Store) -> Result<Check, CliError> {
    let (path, standing) = store.mark_standing(&daemon::mark_place(config)).await?;
    let (shown, fresh) = (path.display(), store.tide().await? == 0);
    let newest = "`usher guard list` once the daemon runs; docs/OPERATIONS.md says what to look at after a restore";
    Ok(match standing {
        MarkStanding::Fits => Check::ok("mark", format!("{shown}; keep it out of the database's copies")),
        MarkStanding::Missing if fresh => Check::ok("mark", format!("the daemon makes {shown}")),
        MarkStanding::Missing => {
            Check::warn("mark", format!("{shown} is not there: nobody can say whether this is the newest copy"))
                .help(newest)
        }
        MarkStanding::Unreadable(why) => Check::warn("mark", format!("{shown} cannot be read: {why}")).help(newest),
        MarkStanding::Foreign => Check::warn("mark", format!("{shown} is another database's")).help(newest),
        MarkStanding::Older(is, was) => {
            Check::bad("mark", format!("this database is an older copy: it stands at {is}, and was at {was}"))
                .help(newest)
        }
    })
}
