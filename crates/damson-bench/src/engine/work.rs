//! What is done.

/// Work that both do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Registers are put, from empty.
    Put,
    /// Elements are added to one set, from empty.
    SetAdd,
    /// One new element comes from another replica.
    Merge,
}

impl Work {
    /// In the order in which they are done.
    pub const ALL: [Self; 3] = [Self::Put, Self::SetAdd, Self::Merge];

    /// The name of the figure.
    pub fn name(self) -> &'static str {
        match self {
            Self::Put => "put_ns",
            Self::SetAdd => "set_add_ns",
            Self::Merge => "merge_ns",
        }
    }

    /// Who does it as well.
    pub fn peer(self) -> &'static str {
        match self {
            Self::Put => "chitchat",
            Self::SetAdd | Self::Merge => "crdts",
        }
    }

    /// How many times less time Damson is meant to take.
    pub fn goal(self) -> f64 {
        match self {
            Self::Put | Self::SetAdd => 2.0,
            Self::Merge => 1_000.0,
        }
    }
}
