//! Whole nodes, joined by a network of a few lines: greetings, contacts, and frames that cannot be believed.

mod ack;
mod bus;
mod calls;
mod casts;
mod contacts;
mod copies;
mod far;
mod found;
mod gather;
mod greeting;
mod hosting;
mod links;
mod lost;
mod majority;
mod malformed;
mod memory;
mod one;
mod pace;
mod rounds;
mod sessions;
