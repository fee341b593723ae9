# Metrics on port 9121 of each pod, from the operator's exporter. custom_spec adds it, as there are no arguments yet.
# Not supported by the provider yet: metrics, with its ServiceMonitor (every 30s, namespace monitoring).
terraform {
  required_providers {
    redis = {
      source = "redis-k8s/redis"
    }
  }
}

provider "redis" {}

resource "redis_k8s_instance" "observed" {
  name             = "observed"
  namespace        = "redis"
  create_namespace = true

  custom_spec = {
    redis = jsonencode({
      redisExporter = {
        enabled = true
        image   = "quay.io/opstree/redis-exporter:v1.44.0"
        resources = {
          requests = { cpu = "50m", memory = "64Mi" }
          limits   = { cpu = "200m", memory = "256Mi" }
        }
      }
    })
  }
}

output "url" {
  value = redis_k8s_instance.observed.url
}
