# A development Redis with a smaller volume. Volumes can grow later, but never shrink.
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

  persistence = {
    size = "5Gi"
  }
}

output "url" {
  value = redis_k8s_instance.dev.url
}
