//! Nested objects that several resources share.

mod availability;
mod network;
mod persistence;
mod pod;
mod resources;
mod settings;
mod topology;
mod workload;

pub use availability::{
    AntiAffinity, Disruption, RollingUpdate, SentinelDisruption, Service, ServiceType, UpdateStrategy,
    UpdateType,
};
pub use network::NetworkPolicy;
pub use persistence::{Aof, ExistingClaims, Fsync, Persistence, Rdb};
pub use pod::{Probe, SecurityContext, Spread, Toleration};
pub use resources::{
    Amounts, Limits, Master, ReplicaLimits, ReplicaRequests, ReplicaResources, Requests, Resources,
    SentinelResources,
};
pub use settings::{OnFailure, Timeouts, Wait};
pub use topology::{
    Cluster, ClusterVersion, DeploymentMode, Replica, Sentinel, in_cluster_mode, in_sentinel_mode,
};
pub use workload::{Authentication, Image, PullPolicy, SecretKey};
