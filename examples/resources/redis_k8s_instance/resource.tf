resource "redis_k8s_instance" "sessions" {
  name      = "sessions"
  namespace = "shop"
  version   = "7.0"

  master = {
    resources = {
      requests = { cpu = "500m", memory = "1Gi" }
      limits   = { cpu = "1", memory = "2Gi" }
    }
  }

  persistence = {
    storage_class = "gp3"
    size          = "10Gi"
    aof           = { enabled = true }
  }

  additional_config = {
    "maxmemory-policy" = "allkeys-lru"
    "timeout"          = "300"
  }

  deletion_protection = true
}

output "sessions_url" {
  value = redis_k8s_instance.sessions.url
}
