//! CPU and memory of containers. The objects differ in their defaults only, so one macro declares them.

use crate::object;
use crate::redis::quantity::Quantity;
use crate::terraform::Value;

/// CPU and memory, whichever container they are of.
#[derive(Clone, Debug, PartialEq)]
pub struct Amounts {
    /// The requests.
    pub requested_cpu: Quantity,
    /// The requests.
    pub requested_memory: Quantity,
    /// The limits.
    pub cpu: Quantity,
    /// The limits.
    pub memory: Quantity,
}

macro_rules! resources {
    (
        $Resources:ident { $Requests:ident, $Limits:ident } =
            $requested_cpu:expr, $requested_memory:expr, $cpu:expr, $memory:expr
    ) => {
        object! {
            /// CPU and memory of a container.
            pub struct $Resources {
                /// CPU and memory that the scheduler reserves.
                requests: $Requests = nested(),
                /// CPU and memory that the container may use at most.
                limits: $Limits = nested(),
            }
        }

        object! {
            /// CPU and memory that the scheduler reserves.
            pub struct $Requests {
                /// CPU, such as `500m`.
                cpu: Quantity = $requested_cpu.rolls(),
                /// Memory, such as `1Gi`.
                memory: Quantity = $requested_memory.rolls(),
            }
        }

        object! {
            /// CPU and memory that the container may use at most.
            pub struct $Limits {
                /// CPU, such as `1`.
                cpu: Quantity = $cpu.rolls(),
                /// Memory, such as `2Gi`.
                memory: Quantity = $memory.rolls().check(at_least_16mi),
            }
        }

        impl $Resources {
            /// The amounts.
            pub fn amounts(&self) -> Amounts {
                let $Resources { requests, limits } = self;
                Amounts {
                    requested_cpu: requests.cpu.clone(),
                    requested_memory: requests.memory.clone(),
                    cpu: limits.cpu.clone(),
                    memory: limits.memory.clone(),
                }
            }
        }

        impl From<Amounts> for $Resources {
            fn from(amounts: Amounts) -> $Resources {
                let Amounts { requested_cpu, requested_memory, cpu, memory } = amounts;
                $Resources {
                    requests: $Requests { cpu: requested_cpu, memory: requested_memory },
                    limits: $Limits { cpu, memory },
                }
            }
        }
    };
}

resources!(Resources { Requests, Limits } = default("500m"), default("1Gi"), default("1"), default("2Gi"));

resources!(
    ReplicaResources { ReplicaRequests, ReplicaLimits } = derived(|root| of_master(root, "requests", "cpu")),
    derived(|root| of_master(root, "requests", "memory")),
    derived(|root| of_master(root, "limits", "cpu")),
    derived(|root| of_master(root, "limits", "memory"))
);

resources!(
    SentinelResources { SentinelRequests, SentinelLimits } = default("100m"),
    default("128Mi"),
    default("200m"),
    default("256Mi")
);

object! {
    /// The writable Redis.
    pub struct Master {
        /// CPU and memory of the container. `maxmemory_percent` is a share of `limits.memory`.
        resources: Resources = nested(),
    }
}

fn of_master(root: &Value, part: &str, amount: &str) -> Value {
    match root.get("master").get("resources") {
        Value::Unknown => Value::Unknown,
        resources => match resources.get(part) {
            Value::Unknown => Value::Unknown,
            part => part.get(amount).clone(),
        },
    }
}

fn at_least_16mi(memory: &Quantity) -> Result<(), String> {
    if memory.units() >= 16 << 20 {
        Ok(())
    } else {
        Err(format!("expected at least 16Mi, because Redis does not start with less memory, got {memory}"))
    }
}
