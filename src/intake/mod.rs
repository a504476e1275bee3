//! THE FRONT DOOR. What comes from outside is read, judged whole, and turned into facts about people; nothing of a
//! source with a mistake gets in. Facts and ticks of schedules become runs through [`crate::engine::trigger`].

pub mod events;
pub mod feed;
mod moved;
pub mod people;
pub mod schedules;
mod standing;
mod subjects;
mod together;
