# One Redis for development, caches and other data that may be unavailable for 5 to 30 seconds while the pod restarts.
terraform {
  required_providers {
    redis = {
      source = "redis-k8s/redis"
    }
  }
}

provider "redis" {}

resource "redis_k8s_instance" "cache" {
  name             = "cache"
  namespace        = "shop"
  create_namespace = true
  deployment_mode  = "standalone"

  master = {
    resources = {
      requests = { cpu = "500m", memory = "1Gi" }
      limits   = { cpu = "1", memory = "2Gi" }
    }
  }

  persistence = {
    storage_class = "gp3"
    size          = "20Gi"
  }

  additional_config = {
    "maxmemory-policy" = "allkeys-lru"
  }
}

output "url" {
  value = redis_k8s_instance.cache.url
}

output "password_is_in" {
  value = redis_k8s_instance.cache.auth_secret
}
