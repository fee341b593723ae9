# Three shards, each a leader with one follower: for data of more than 50 GB, or more than 25,000 writes per second.
# Clients must speak the cluster protocol. Keys of one command must share a hash tag, such as {user:123}:cart.
terraform {
  required_providers {
    redis = {
      source = "redis-k8s/redis"
    }
  }
}

provider "redis" {}

resource "redis_k8s_instance" "events" {
  name             = "events"
  namespace        = "shop"
  create_namespace = true
  deployment_mode  = "cluster"

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

  # A Redis that is full needs this long to load its data, and to save it before it ends.
  liveness_probe                   = { failure_threshold = 12 }
  termination_grace_period_seconds = 120

  persistence = {
    storage_class  = "gp3"
    size           = "50Gi"
    node_conf_size = "1Gi"
  }
}

output "seeds" {
  value = redis_k8s_instance.events.cluster_hosts
}

output "password_is_in" {
  value = redis_k8s_instance.events.auth_secret
}
