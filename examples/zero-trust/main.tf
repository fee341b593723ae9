# A Redis that only the namespaces application and backend-services should reach.
# Not supported by the provider yet: network_policy (allowed_namespaces). Write your own NetworkPolicy.
terraform {
  required_providers {
    redis = {
      source = "redis-k8s/redis"
    }
  }
}

provider "redis" {}

resource "redis_k8s_instance" "private" {
  name             = "private"
  namespace        = "redis"
  create_namespace = true
}

output "url" {
  value = redis_k8s_instance.private.url
}
