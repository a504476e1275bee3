mod joins;
mod mistakes;
mod properties;
mod stories;
mod times;
