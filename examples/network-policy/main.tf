# A Redis that only the namespaces application and backend should reach, on port 6379.
# Not supported by the provider yet: network_policy (allowed_namespaces). Write your own NetworkPolicy.
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
}

output "url" {
  value = redis_k8s_instance.internal.url
}
