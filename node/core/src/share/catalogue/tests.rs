//! The catalogue against a model.
