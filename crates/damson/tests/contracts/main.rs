//! What the seeds' users have to find, through the public surface, on at least three nodes.

mod broadcast;
mod topics;
