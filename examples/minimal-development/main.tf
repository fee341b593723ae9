# The minimum: one Redis of the default size, with a volume of 10Gi and a random password.
terraform {
  required_providers {
    redis = {
      source = "redis-k8s/redis"
    }
  }
}

provider "redis" {}

resource "redis_k8s_instance" "dev" {
  name             = "dev"
  namespace        = "redis-dev"
  create_namespace = true
}

output "url" {
  value = redis_k8s_instance.dev.url
}
