//! Questions that daemons ask all day, and the index that answers each, however many steps there are. SQLite takes a
//! partial index only where the question has the index's own condition.

use super::{Opening, Store, batches, holds, letting_go, unanswered};
use crate::clock::Clock;
use crate::run::Holidays;
use crate::secret::KeyRing;

const FOR_PEOPLE: [(&str, &str); 4] = [
    ("what a guard holds", letting_go::HELD),
    ("approvals that are asked for", batches::ASKING),
    ("approvals that nobody has answered", unanswered::UNANSWERED),
    ("what a legal hold that is over still holds", holds::FREE),
];

#[tokio::test]
async fn what_waits_for_people_is_found_by_its_partial_index() {
    let folder = tempfile::tempdir().unwrap();
    let ring = KeyRing::open_or_create(&folder.path().join("usher.key")).unwrap();
    let url = format!("sqlite:{}", folder.path().join("usher.db").display());
    let store = Store::open(&url, Opening::Migrate, Clock::System, ring, Holidays::default()).await.unwrap();
    let mut conn = store.reader().await.unwrap();
    for (what, text) in FOR_PEOPLE {
        let explained = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}"));
        let plan: Vec<(i64, i64, i64, String)> =
            sqlx::query_as(explained).bind("bound").fetch_all(&mut *conn).await.unwrap();
        let steps: Vec<&String> = plan.iter().map(|(.., line)| line).filter(|line| line.contains("steps")).collect();
        assert!(steps.iter().any(|line| line.contains("steps_for_people")), "{what}: {plan:#?}");
    }
}
