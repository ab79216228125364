"""All other jobs: texts, pictures, models' files; models kept in memory."""
