//! Nested objects that several resources share.

mod persistence;
mod pod;
mod settings;
mod workload;

pub use persistence::{Aof, Fsync, Persistence, Rdb};
pub use pod::{SecurityContext, Toleration};
pub use settings::{OnFailure, Timeouts, Wait};
pub use workload::{Authentication, Image, Limits, Master, PullPolicy, Requests, Resources, SecretKey};
