"""The network: training, sampling, scoring, model folders. The only place that imports TensorFlow."""
