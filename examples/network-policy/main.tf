# A Redis that only the namespaces application and backend reach, on port 6379.
# The cluster needs a network plugin that enforces policies.
terraform {
  required_providers {
    redis = {
      source = "redis-k8s/redis"
    }
  }
}

provider "redis" {}

resource "redis_k8s_instance" "internal" {
  name             = "internal"
  namespace        = "redis"
  create_namespace = true

  network_policy = {
    enabled            = true
    allowed_namespaces = ["application", "backend"]
  }
}

output "url" {
  value = redis_k8s_instance.internal.url
}
