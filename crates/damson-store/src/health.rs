//! Whether a store still takes writes.

use crate::StoreError;

/// Remembers the first failed write, after which the state on disk is unknown.
#[derive(Debug, Default)]
pub(crate) struct Health {
    first_failure: Option<String>,
}

impl Health {
    /// Refuses if an earlier write has failed.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        match &self.first_failure {
            None => Ok(()),
            Some(first) => Err(StoreError::Poisoned { first: first.clone() }),
        }
    }

    /// Passes the outcome of a write on, and remembers it if it is the first failure.
    pub(crate) fn note<T>(&mut self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &outcome {
            self.first_failure.get_or_insert_with(|| error.to_string());
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(path: &str) -> Result<(), StoreError> {
        Err(StoreError::AlreadyOwned { path: path.into() })
    }

    #[test]
    fn the_first_failure_is_the_one_remembered() {
        let mut health = Health::default();
        assert!(health.note(Ok(())).is_ok());
        assert!(health.check().is_ok());
        assert!(health.note(failure("/first")).is_err());
        assert!(health.note(failure("/second")).is_err());
        let error = health.check().unwrap_err().to_string();
        assert!(error.contains("/first"), "{error}");
    }
}
