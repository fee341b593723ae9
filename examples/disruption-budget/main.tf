# Node drains leave two of the three Redis pods and two of the three sentinels running.
terraform {
  required_providers {
    redis = {
      source = "redis-k8s/redis"
    }
  }
}

provider "redis" {}

resource "redis_k8s_instance" "steady" {
  name             = "steady"
  namespace        = "redis"
  create_namespace = true
  deployment_mode  = "sentinel"
  replica          = { count = 2 }

  pod_disruption_budget = {
    enabled       = true
    min_available = 2
  }

  sentinel = {
    pod_disruption_budget = {
      enabled       = true
      min_available = 2
    }
  }
}

output "write_to" {
  value = redis_k8s_instance.steady.host
}
