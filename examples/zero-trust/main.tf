# A Redis that only the namespaces application and backend-services are to reach.
# Left out, since the provider does not have it yet: network_policy (allowed_namespaces). Write a NetworkPolicy of your own.
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
