# A master with two replicas to read from. Nobody promotes a replica when the master is lost: Kubernetes restarts its pod.
# Where writes must go on without it, see ../sentinel.
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
