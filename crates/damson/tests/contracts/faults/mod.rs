//! What was found wrong in the systems themselves: each fault by its name, and that it is not here.

mod barrel;
mod macula;
mod publisher;
mod stats;
