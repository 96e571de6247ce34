package org.lexvla.search;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.lucene.document.Document;
import org.apache.lucene.document.FeatureField;
import org.apache.lucene.document.Field;
import org.apache.lucene.document.StringField;
import org.apache.lucene.index.DirectoryReader;
import org.apache.lucene.index.IndexWriter;
import org.apache.lucene.index.IndexWriterConfig;
import org.apache.lucene.index.LeafReaderContext;
import org.apache.lucene.index.LogDocMergePolicy;
import org.apache.lucene.index.PostingsEnum;
import org.apache.lucene.index.ReaderUtil;
import org.apache.lucene.index.Term;
import org.apache.lucene.search.BooleanClause;
import org.apache.lucene.search.BooleanQuery;
import org.apache.lucene.search.IndexSearcher;
import org.apache.lucene.search.ScoreDoc;
import org.apache.lucene.search.TermQuery;
import org.apache.lucene.search.TopDocs;
import org.apache.lucene.store.Directory;
import org.apache.lucene.store.FSDirectory;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.lexical.Vocabulary;
import org.lexvla.lexical.WeightedWord;

/**
 * An index in a directory, searched by Lucene: a {@link FeatureField} per word, a query a disjunction of linear feature queries.
 *
 * <pre>
 *     index.json        format, engine, number of items, fingerprint of the vocabulary, the model's directory seen from here
 *     vocabulary.json   the words
 *     lucene/           fields: id (stored, indexed whole), words (features named by lexical id, in decimal digits)
 * </pre>
 *
 * <p>Words are indexed by their lexical id and not as they are written: the names of features mean something to some engines (a dot
 * in one of them makes OpenSearch lose it), numbers never do.
 *
 * <p><b>Precision.</b> A weight keeps 9 significant bits. It is rounded to nearest before Lucene cuts it, so scores differ from the
 * exact ones by at most 2⁻⁹ = 0.20 % (0.18 % and, on average, 0.00 % over 20,000 random vectors), besides the rounding of float32; items whose
 * scores are that close may change places. Equal scores keep the order in which they were indexed.
 *
 * <p><b>Limits.</b> Weights of items are finite and not negative; those that are 0 or below {@link Float#MIN_NORMAL} are left out. Weights
 * of a query are positive; above 64, Lucene's limit, all are scaled down by a power of two, and the scores up again. A query has no
 * more words than {@link IndexSearcher#getMaxClauseCount()}, 1024 unless raised.
 *
 * <p>An index does not change once made. It may be searched by several threads at once, and throws
 * {@link IllegalStateException} when closed.
 */
public final class LuceneIndex implements LexicalSearcher {
    private static final int FORMAT = 1;
    private static final String LUCENE = "lucene";
    private static final String ID = "id";
    private static final String WORDS = "words";

    private final Path model;
    private final Vocabulary vocabulary;
    private final Directory files;
    private final DirectoryReader reader;
    private final IndexSearcher searcher;

    private LuceneIndex(Path model, Vocabulary vocabulary, Directory files, DirectoryReader reader) {
        this.model = model;
        this.vocabulary = vocabulary;
        this.files = files;
        this.reader = reader;
        this.searcher = new IndexSearcher(reader);
    }

    /**
     * Makes an index: in a directory beside, which is then renamed, so that there is a whole index or none.
     *
     * @param directory of the index; absent or empty
     * @param vectors   stay the caller's
     * @param ids       names of the items, one per vector, each once
     * @param model     directory of the model that encodes queries for this index; recorded relative to the index, so that
     *                  both may be moved together
     * @throws FileAlreadyExistsException if there is something at the directory
     * @throws IllegalArgumentException   if an id comes twice, or a weight is negative or not finite
     * @throws IOException                if the index cannot be written
     */
    public static void create(Path directory, LexicalBatch vectors, List<String> ids, Path model) throws IOException {
        IndexDirectory.rows(ids, vectors.size());
        IndexDirectory.create(
                directory,
                FORMAT,
                SearchIndex.Engine.LUCENE,
                ids.size(),
                vectors.vocabulary(),
                model,
                Map.of(),
                written -> write(written.resolve(LUCENE), vectors, ids));
    }

    private static void write(Path directory, LexicalBatch vectors, List<String> ids) throws IOException {
        IndexWriterConfig config = new IndexWriterConfig();
        // Unlike the default, this one keeps the order of the items, which decides between equal scores.
        config.setMergePolicy(new LogDocMergePolicy());
        try (Directory files = FSDirectory.open(directory);
                IndexWriter writer = new IndexWriter(files, config)) {
            for (int row = 0; row < ids.size(); row++) {
                writer.addDocument(document(vectors.get(row), ids.get(row)));
            }
            writer.forceMerge(1);
            writer.commit();
        }
    }

    private static Document document(LexicalVector vector, String id) {
        Document document = new Document();
        document.add(new StringField(ID, id, Field.Store.YES));
        int[] words = vector.ids();
        float[] weights = vector.weights();
        for (int i = 0; i < words.length; i++) {
            if (!(weights[i] >= 0) || weights[i] == Float.POSITIVE_INFINITY) {
                throw new IllegalArgumentException("item '" + id + "' has the weight " + weights[i] + " for \""
                        + vector.vocabulary().word(words[i]) + "\": Lucene keeps finite weights from 0 on");
            }
            if (weights[i] >= Float.MIN_NORMAL) {
                document.add(new FeatureField(WORDS, feature(words[i]), FeatureWeight.round(weights[i])));
            }
        }
        return document;
    }

    private static String feature(int word) {
        return Integer.toString(word);
    }

    /**
     * Opens an index.
     *
     * @throws IOException if there is no index, a part of it is missing, damaged or of another format, or its parts do not
     *                     belong together
     */
    public static LuceneIndex open(Path directory) throws IOException {
        IndexDirectory description = IndexDirectory.open(directory);
        description.requireEngine(SearchIndex.Engine.LUCENE);
        Vocabulary vocabulary = description.vocabulary(FORMAT);
        Directory files = FSDirectory.open(directory.resolve(LUCENE));
        DirectoryReader reader;
        try {
            reader = DirectoryReader.open(files);
        } catch (IOException | RuntimeException e) {
            // Lucene answers some damaged files with whatever its arrays throw.
            files.close();
            throw new IOException("Lucene cannot read the index " + directory + ": " + e.getMessage(), e);
        }
        LuceneIndex index = new LuceneIndex(description.model(), vocabulary, files, reader);
        if (index.size() != description.items()) {
            String found = index.size() + " items";
            index.close();
            throw new IOException("the index " + directory + " says it has " + description.items()
                    + " items, but Lucene has " + found);
        }
        return index;
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
        return reader.numDocs();
    }

    /**
     * As {@link LexicalSearcher#search}, to the precision said above.
     *
     * @throws IllegalArgumentException if the query has another vocabulary, a weight that is negative or not finite, or more words
     *                                  than Lucene takes
     */
    @Override
    public List<Hit> search(LexicalVector query, int k) throws IOException {
        if (k < 1) {
            throw new IllegalArgumentException("k is " + k + ", must be at least 1");
        }
        requireVocabulary(query);
        float scale = FeatureWeight.scale(query);
        BooleanQuery disjunction = disjunction(query, scale);
        if (disjunction.clauses().isEmpty() || size() == 0) {
            return List.of();
        }
        TopDocs found = searcher.search(disjunction, Math.min(k, size()));
        List<Hit> hits = new ArrayList<>(found.scoreDocs.length);
        for (ScoreDoc hit : found.scoreDocs) {
            String id = searcher.storedFields().document(hit.doc, Set.of(ID)).get(ID);
            hits.add(new Hit(id, hit.score / scale));
        }
        return hits;
    }

    private static BooleanQuery disjunction(LexicalVector query, float scale) {
        int[] words = query.ids();
        float[] weights = query.weights();
        int limit = IndexSearcher.getMaxClauseCount();
        BooleanQuery.Builder builder = new BooleanQuery.Builder();
        int clauses = 0;
        for (int i = 0; i < words.length; i++) {
            float weight = weights[i] * scale;
            if (weight > 0) {
                if (++clauses > limit) {
                    throw new IllegalArgumentException("query has " + query.active() + " words, limit " + limit
                            + ": keep the " + limit + " strongest, or raise it with IndexSearcher.setMaxClauseCount");
                }
                builder.add(FeatureField.newLinearQuery(WORDS, feature(words[i]), weight), BooleanClause.Occur.SHOULD);
            }
        }
        return builder.build();
    }

    /** As {@link LexicalSearcher#explain}, with the weights as the index keeps them. */
    @Override
    public List<WeightedWord> explain(LexicalVector query, Hit hit, int n) throws IOException {
        requireVocabulary(query);
        TopDocs named = searcher.search(new TermQuery(new Term(ID, hit.id())), 1);
        if (named.scoreDocs.length == 0) {
            throw new IllegalArgumentException("no item '" + hit.id() + "' among the " + size() + " of the index");
        }
        int document = named.scoreDocs[0].doc;
        LeafReaderContext leaf = reader.leaves().get(ReaderUtil.subIndex(document, reader.leaves()));
        int[] words = query.ids();
        float[] kept = new float[words.length];
        int[] shared = new int[words.length];
        int count = 0;
        for (int word : words) {
            PostingsEnum postings = leaf.reader().postings(new Term(WORDS, feature(word)), PostingsEnum.FREQS);
            int wanted = document - leaf.docBase;
            if (postings != null && postings.advance(wanted) == wanted) {
                shared[count] = word;
                kept[count++] = FeatureWeight.decode(postings.freq());
            }
        }
        LexicalVector item = LexicalVector.of(vocabulary, Arrays.copyOf(shared, count), Arrays.copyOf(kept, count));
        return query.explain(item, n);
    }

    /** Closes the files. */
    @Override
    public void close() throws IOException {
        reader.close();
        files.close();
    }

    private void requireVocabulary(LexicalVector query) {
        if (!query.vocabulary().equals(vocabulary)) {
            throw new IllegalArgumentException("the query has the vocabulary " + query.vocabulary() + ", the index "
                    + vocabulary + ": encode the query with the model of the index, " + model);
        }
    }
}
