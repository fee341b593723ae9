# A master with two replicas, and three sentinels. If two of them agree that the master is lost, they promote a replica.
# Sentinel clients follow at once. Other clients can use the Service of the master, host.
terraform {
  required_providers {
    redis = {
      source = "redis-k8s/redis"
    }
  }
}

provider "redis" {}

resource "redis_k8s_instance" "sessions" {
  name             = "sessions"
  namespace        = "shop"
  create_namespace = true
  deployment_mode  = "sentinel"
  replica          = { count = 2 }

  sentinel = {
    replicas = 3
    quorum   = 2
  }

  master = {
    resources = {
      requests = { cpu = "1", memory = "4Gi" }
      limits   = { cpu = "2", memory = "8Gi" }
    }
  }

  # A Redis that is full needs this long to load its data, and to save it before it ends.
  liveness_probe                   = { failure_threshold = 12 }
  termination_grace_period_seconds = 120

  persistence = {
    storage_class = "gp3"
    size          = "50Gi"
    aof           = { enabled = true }
  }
}

output "sentinels" {
  value = "${redis_k8s_instance.sessions.sentinel_host}:${redis_k8s_instance.sessions.sentinel_port}"
}

output "master_name" {
  value = redis_k8s_instance.sessions.sentinel.master_name
}

output "write_to" {
  value = redis_k8s_instance.sessions.host
}

output "read_from" {
  value = redis_k8s_instance.sessions.reader_host
}

output "password_is_in" {
  value = redis_k8s_instance.sessions.auth_secret
}
