# A sentinel set for production: three pods on three nodes in three zones, with encrypted volumes and append-only files.
# The set needs at least three nodes, one in each zone. This example does not create the storage class gp3-encrypted.
# Not supported by the provider yet: metrics (a ServiceMonitor every 30s), backup (daily at 2:00, 30 days).
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
  namespace           = "redis-prod"
  create_namespace    = true
  deployment_mode     = "sentinel"
  deletion_protection = true

  master = {
    resources = {
      requests = { cpu = "1", memory = "2Gi" }
      limits   = { cpu = "2", memory = "4Gi" }
    }
  }

  # The replicas have the master's size, since any replica may become the master.
  replica = { count = 2 }

  sentinel = {
    replicas = 3
    quorum   = 2
  }

  # A Redis that is full needs this long to load its data, and to save it before it ends.
  liveness_probe                   = { failure_threshold = 12 }
  termination_grace_period_seconds = 120

  persistence = {
    enabled       = true
    storage_class = "gp3-encrypted"
    size          = "50Gi"
    aof           = { enabled = true }
  }

  anti_affinity = "required"

  topology_spread_constraints = [{
    max_skew           = 1
    topology_key       = "topology.kubernetes.io/zone"
    when_unsatisfiable = "DoNotSchedule"
  }]

  pod_disruption_budget = {
    enabled       = true
    min_available = 2
  }
}

output "sentinels" {
  value = "${redis_k8s_instance.main.sentinel_host}:${redis_k8s_instance.main.sentinel_port}"
}

output "master_name" {
  value = redis_k8s_instance.main.sentinel.master_name
}

output "password_is_in" {
  value = redis_k8s_instance.main.auth_secret
}
