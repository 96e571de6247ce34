package org.lexvla.search;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.StringWriter;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.lexical.Vocabulary;
import org.lexvla.lexical.WeightedWord;

/**
 * An index in an OpenSearch cluster, reached over HTTP: a {@code rank_features} field, a query a disjunction of linear
 * {@code rank_feature} queries. The directory says where it is.
 *
 * <pre>
 *     index.json        format, engine, number of items, fingerprint of the vocabulary, the model's directory seen from here, the
 *                       addresses of the cluster and the name of the index
 *     vocabulary.json   the words
 * </pre>
 *
 * <p>Precision and weights are those of {@link LuceneIndex}, which OpenSearch is made of. Equal scores keep the order in which the items
 * were indexed, on any number of shards. A query has no more words than {@code indices.query.bool.max_clause_count} of the cluster,
 * 1024 unless raised; a name of an item no more than 512 bytes.
 *
 * <p>Of several addresses the first that answers is taken, so that one node may stop. The index is refused if its mapping names another
 * vocabulary. May be used by several threads at once.
 */
public final class OpenSearchIndex implements LexicalSearcher {
    private static final int FORMAT = 1;
    private static final String SERVERS = "servers";
    private static final String NAME = "index";
    private static final int LARGEST_NAME = 512;
    /** Characters of a bulk request; clusters take up to 100 MB. */
    private static final int BULK = 8 << 20;

    private static final ObjectMapper JSON = new ObjectMapper();

    private final Path model;
    private final Vocabulary vocabulary;
    private final OpenSearchClient client;
    private final String name;
    private final int size;

    private OpenSearchIndex(Path model, Vocabulary vocabulary, OpenSearchClient client, String name, int size) {
        this.model = model;
        this.vocabulary = vocabulary;
        this.client = client;
        this.name = name;
        this.size = size;
    }

    /**
     * Where an index shall be.
     *
     * @param servers  addresses of nodes, such as {@code http://localhost:9200}, at least one
     * @param name     of the index; must not be there yet
     * @param shards   at least 1
     * @param replicas copies of each shard, 0 or more
     */
    public record Target(List<URI> servers, String name, int shards, int replicas) {
        public Target {
            servers = List.copyOf(servers);
            if (shards < 1 || replicas < 0) {
                throw new IllegalArgumentException(shards + " shards and " + replicas
                        + " replicas: need at least one shard, and no negative number of replicas");
            }
            if (!name.matches("[a-z0-9][a-z0-9._-]{0,199}")) {
                throw new IllegalArgumentException("'" + name + "' is no name for an index of OpenSearch: take small"
                        + " letters, digits, '.', '_' and '-', a letter or digit first, at most 200");
            }
        }
    }

    /**
     * Fills an index of the cluster, and makes the directory that leads to it. If that fails on the way, the index is removed again.
     *
     * @param directory absent or empty
     * @param vectors   stay the caller's
     * @param ids       names of the items, one per vector, each once
     * @param model     directory of the model that encodes queries for this index
     * @throws FileAlreadyExistsException if there is something at the directory
     * @throws IllegalArgumentException   if an id comes twice or is too long, or a weight is negative or not finite
     * @throws IOException                if the cluster does not answer, or refuses the index or an item
     */
    public static void create(Path directory, Target target, LexicalBatch vectors, List<String> ids, Path model)
            throws IOException {
        IndexDirectory.rows(ids, vectors.size());
        for (String id : ids) {
            int bytes = id.getBytes(StandardCharsets.UTF_8).length;
            if (bytes == 0 || bytes > LARGEST_NAME) {
                throw new IllegalArgumentException("the id '" + id + "' has " + bytes + " bytes, OpenSearch takes 1 to "
                        + LARGEST_NAME + ": name the item more briefly");
            }
        }
        OpenSearchClient client = new OpenSearchClient(target.servers);
        String addresses = target.servers.stream().map(URI::toString).collect(Collectors.joining(","));
        IndexDirectory.create(
                directory,
                FORMAT,
                SearchIndex.Engine.OPENSEARCH,
                ids.size(),
                vectors.vocabulary(),
                model,
                Map.of(SERVERS, addresses, NAME, target.name),
                written -> fill(client, target, vectors, ids));
    }

    private static void fill(OpenSearchClient client, Target target, LexicalBatch vectors, List<String> ids)
            throws IOException {
        client.send("PUT", "/" + target.name, mapping(target, vectors.vocabulary()));
        try {
            StringWriter lines = new StringWriter();
            for (int row = 0; row < ids.size(); row++) {
                BulkFormat.OPENSEARCH.write(ids.get(row), row, vectors.get(row), lines);
                if (lines.getBuffer().length() > BULK) {
                    bulk(client, target.name, lines.toString());
                    lines.getBuffer().setLength(0);
                }
            }
            if (lines.getBuffer().length() > 0) {
                bulk(client, target.name, lines.toString());
            }
            client.send("POST", "/" + target.name + "/_refresh", "");
        } catch (IOException | RuntimeException e) {
            try {
                client.send("DELETE", "/" + target.name, "");
            } catch (IOException left) {
                e.addSuppressed(left);
            }
            throw e;
        }
    }

    private static String mapping(Target target, Vocabulary vocabulary) throws IOException {
        ObjectNode root = (ObjectNode) JSON.readTree(BulkFormat.OPENSEARCH.mapping(vocabulary));
        root.putObject("settings")
                .put("index.number_of_shards", target.shards)
                .put("index.number_of_replicas", target.replicas);
        // Decides between equal scores: where a document lies in the cluster is chance.
        ((ObjectNode) root.at("/mappings/properties")).putObject(BulkFormat.ROW).put("type", "integer");
        return root.toString();
    }

    private static void bulk(OpenSearchClient client, String name, String lines) throws IOException {
        JsonNode answer = client.send("POST", "/" + name + "/_bulk", lines);
        if (answer.path("errors").asBoolean()) {
            for (JsonNode item : answer.path("items")) {
                JsonNode error = item.at("/index/error");
                if (!error.isMissingNode()) {
                    throw new IOException("OpenSearch refuses the item '"
                            + item.at("/index/_id").asText() + "': "
                            + error.path("reason").asText(error.toString()));
                }
            }
        }
    }

    /**
     * Opens an index.
     *
     * @throws IOException if the directory is missing or damaged, the cluster does not answer, or its index is missing, incomplete or
     *                     of another vocabulary
     */
    public static OpenSearchIndex open(Path directory) throws IOException {
        IndexDirectory description = IndexDirectory.open(directory);
        description.requireEngine(SearchIndex.Engine.OPENSEARCH);
        Vocabulary vocabulary = description.vocabulary(FORMAT);
        String name = description.text(NAME);
        OpenSearchClient client;
        try {
            client =
                    new OpenSearchClient(Arrays.stream(description.text(SERVERS).split(","))
                            .map(URI::create)
                            .toList());
        } catch (IllegalArgumentException e) {
            throw new IOException("the index " + directory + " names no address of a cluster: " + e.getMessage(), e);
        }
        JsonNode mapping = client.send("GET", "/" + name + "/_mapping", "");
        String fingerprint = mapping.path(name)
                .path("mappings")
                .path("_meta")
                .path("lexvla.vocabulary")
                .asText("");
        if (!fingerprint.equals(vocabulary.fingerprint())) {
            throw new IOException("the index '" + name + "' of the cluster has the vocabulary '" + fingerprint
                    + "', the directory " + directory + " has " + vocabulary.fingerprint() + ": make the index again");
        }
        int items = client.send("GET", "/" + name + "/_count", "").path("count").asInt(-1);
        if (items != description.items()) {
            throw new IOException("the index " + directory + " says it has " + description.items() + " items, but '"
                    + name + "' of the cluster has " + items);
        }
        return new OpenSearchIndex(description.model(), vocabulary, client, name, items);
    }

    @Override
    public Path model() {
        return model;
    }

    @Override
    public Vocabulary vocabulary() {
        return vocabulary;
    }

    @Override
    public int size() {
        return size;
    }

    /**
     * As {@link LexicalSearcher#search}, to the precision of {@link LuceneIndex}.
     *
     * @throws IllegalArgumentException if the query has another vocabulary, a weight that is negative or not finite, or more words
     *                                  than the cluster takes
     */
    @Override
    public List<Hit> search(LexicalVector query, int k) throws IOException {
        if (k < 1) {
            throw new IllegalArgumentException("k is " + k + ", must be at least 1");
        }
        requireVocabulary(query);
        float scale = FeatureWeight.scale(query);
        ObjectNode body = JSON.createObjectNode();
        body.put("size", Math.min(k, size)).put("_source", false).put("track_total_hits", false);
        ArrayNode sort = body.putArray("sort");
        sort.addObject().put("_score", "desc");
        sort.addObject().put(BulkFormat.ROW, "asc");
        ArrayNode should = body.putObject("query").putObject("bool").putArray("should");
        int[] words = query.ids();
        float[] weights = query.weights();
        for (int i = 0; i < words.length; i++) {
            float weight = weights[i] * scale;
            if (weight > 0) {
                ObjectNode feature = should.addObject().putObject("rank_feature");
                feature.put("field", BulkFormat.FIELD + "." + words[i]).put("boost", weight);
                feature.putObject("linear");
            }
        }
        if (should.isEmpty() || size == 0) {
            return List.of();
        }
        JsonNode answer;
        try {
            answer = client.send("POST", "/" + name + "/_search", body.toString());
        } catch (OpenSearchClient.RefusedException e) {
            if (e.getMessage().contains("maxClauseCount") || e.getMessage().contains("max_clause_count")) {
                throw new IllegalArgumentException(
                        "query has " + should.size()
                                + " words, more than the cluster takes: keep the strongest with a Pruning, or raise"
                                + " indices.query.bool.max_clause_count (" + e.getMessage() + ")",
                        e);
            }
            throw e;
        }
        if (answer.path("timed_out").asBoolean() || answer.at("/_shards/failed").asInt() > 0) {
            throw new IOException("the cluster answered for a part of the index only: " + answer.path("_shards"));
        }
        List<Hit> hits = new ArrayList<>();
        for (JsonNode hit : answer.at("/hits/hits")) {
            hits.add(new Hit(
                    hit.required("_id").asText(), (float) hit.required("_score").asDouble() / scale));
        }
        return hits;
    }

    /** As {@link LexicalSearcher#explain}, with the weights as the index keeps them. */
    @Override
    public List<WeightedWord> explain(LexicalVector query, Hit hit, int n) throws IOException {
        requireVocabulary(query);
        JsonNode document;
        try {
            document = client.send("GET", "/" + name + "/_doc/" + OpenSearchClient.encoded(hit.id()), "");
        } catch (OpenSearchClient.RefusedException e) {
            if (e.status() == 404) {
                throw new IllegalArgumentException("no item '" + hit.id() + "' among the " + size + " of the index", e);
            }
            throw e;
        }
        Map<Integer, Float> kept = new TreeMap<>();
        document.path("_source")
                .path(BulkFormat.FIELD)
                .properties()
                .forEach(word -> kept.put(
                        Integer.parseInt(word.getKey()), (float) word.getValue().asDouble()));
        int[] ids = new int[kept.size()];
        float[] weights = new float[kept.size()];
        int at = 0;
        for (Map.Entry<Integer, Float> word : kept.entrySet()) {
            ids[at] = word.getKey();
            weights[at++] = word.getValue();
        }
        return query.explain(LexicalVector.of(vocabulary, ids, weights), n);
    }

    /** Nothing is kept open. */
    @Override
    public void close() {}

    private void requireVocabulary(LexicalVector query) {
        if (!query.vocabulary().equals(vocabulary)) {
            throw new IllegalArgumentException("the query has the vocabulary " + query.vocabulary() + ", the index "
                    + vocabulary + ": encode the query with the model of the index, " + model);
        }
    }
}
