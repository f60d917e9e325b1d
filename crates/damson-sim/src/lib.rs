//! damson-sim
