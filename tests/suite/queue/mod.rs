//! The real daemon with the real clock.
