# A master with two replicas for reads. If the master is lost, no replica is promoted: Kubernetes restarts the pod.
# If writes must continue without the master, see ../sentinel.
terraform {
  required_providers {
    redis = {
      source = "redis-k8s/redis"
    }
  }
}

provider "redis" {}

resource "redis_k8s_instance" "catalogue" {
  name             = "catalogue"
  namespace        = "shop"
  create_namespace = true
  replica          = { count = 2 }

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

output "write_to" {
  value = redis_k8s_instance.catalogue.host
}

output "read_from" {
  value = redis_k8s_instance.catalogue.reader_host
}

output "password_is_in" {
  value = redis_k8s_instance.catalogue.auth_secret
}
